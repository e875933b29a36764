"""Counters are shown to callers with the token, and to nobody else."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from onramp_app.config import get_settings

TOKEN = "a token for the metrics alone"


@pytest.fixture
def _token(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    get_settings.cache_clear()


async def _refused(client: httpx.AsyncClient) -> float:
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    verdicts = [s for s in families["webhooks"].samples if s.name == "webhooks_total"]
    return sum(s.value for s in verdicts if s.labels["verdict"] not in ("stored", "not_stored"))


@pytest.mark.usefixtures("_token")
async def test_whoever_has_the_token_reads_what_is_counted(client: httpx.AsyncClient) -> None:
    before = await _refused(client)
    assert (await client.post("/api/webhooks/onramp", content=b"{}")).status_code == 401
    assert await _refused(client) == before + 1


@pytest.mark.usefixtures("_token")
@pytest.mark.parametrize("header", [None, "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ü"])
async def test_nobody_else_does(client: httpx.AsyncClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = await client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_a_token_there_is_nothing(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer "}):
        answer = await client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
