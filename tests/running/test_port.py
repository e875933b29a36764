"""A worker's own port serves health and metrics as an instance does, and withstands hostile requests."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.running.port import MAX_HEAD_BYTES, worker_port
from tests.ports import free_port

TOKEN = "a token for the metrics alone"


@pytest.fixture
async def seen(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    assert database
    monkeypatch.setenv("WORKER_PORT", str(free_port()))
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    get_settings.cache_clear()
    async with worker_port(get_settings()) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
            yield client


async def test_it_answers_health_and_metrics(seen: httpx.AsyncClient) -> None:
    assert (await seen.get("/api/health/live")).json() == {"status": "ok"}
    ready = await seen.get("/api/health/ready")
    assert (ready.status_code, ready.json()["checks"]["database"]["status"]) == (200, "ok")
    state = (await seen.get("/api/health/status")).json()
    assert (state["status"], state["checks"]["reader"]["status"]) == ("failed", "failed")
    assert (await seen.head("/api/health/ready")).content == b""
    answer = await seen.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "\nreader_lease_held 0.0\n" in answer.text


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}"])
async def test_metrics_are_for_whoever_has_the_token(seen: httpx.AsyncClient, header: str | None) -> None:
    answer = await seen.get("/metrics", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "reader_lease_held" not in answer.text


async def test_without_a_token_there_are_no_metrics(
    seen: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METRICS_TOKEN")
    get_settings.cache_clear()
    assert (await seen.get("/metrics", headers={"Authorization": "Bearer x"})).status_code == 404


async def test_anything_else_is_refused(seen: httpx.AsyncClient) -> None:
    assert (await seen.get("/")).status_code == 404
    assert (await seen.post("/metrics")).status_code == 405
    for request in (b"nonsense\r\n\r\n", b"GET /api/health/live SPDY/1\r\n\r\n", b"x" * (2 * MAX_HEAD_BYTES)):
        reader, writer = await asyncio.open_connection("127.0.0.1", seen.base_url.port)
        writer.write(request)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ") or not answer
        writer.close()
    assert (await seen.get("/api/health/live")).status_code == 200


async def test_a_port_that_is_taken_stops_the_start_only_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("onramp_app.running.port.DEFAULT_PORT", port)
        async with worker_port(get_settings()) as found:
            assert found is None
        monkeypatch.setenv("WORKER_PORT", str(port))
        get_settings.cache_clear()
        with pytest.raises(ConfigurationError, match=f"WORKER_PORT cannot be used: 127.0.0.1:{port}"):
            async with worker_port(get_settings()):
                pass
