"""Metrics are served to callers with the token, and to nobody else."""

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


async def _requests(client: httpx.AsyncClient) -> dict[tuple[str, str, str], float]:
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["http_requests"].samples
        if sample.name == "http_requests_total"
    }


@pytest.mark.usefixtures("_token")
async def test_requests_are_counted_by_route_and_status(client: httpx.AsyncClient) -> None:
    before = await _requests(client)
    await client.get("/api/health/live")
    for made_up in ("a", "b"):
        await client.get(f"/api/top-ups/{made_up}")
        await client.get(f"/api/{made_up}")
    await client.request("BREW", "/api/health/live")
    await client.post("/api/webhooks/onramp", content=b"{}")
    after = await _requests(client)
    rise = {key: after[key] - before.get(key, 0) for key in after}
    assert {key: more for key, more in rise.items() if more} == {
        ("GET", "/api/health/live", "200"): 1,
        ("GET", "/api/top-ups/{top_up_id}", "401"): 2,
        ("GET", "none", "404"): 2,
        ("other", "/api/health/live", "405"): 1,
        ("POST", "/api/webhooks/onramp", "401"): 1,
        ("GET", "/metrics", "200"): 1,
    }
