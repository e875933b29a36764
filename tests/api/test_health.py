"""The three health routes over HTTP."""

import httpx
import psycopg
import pytest

ROUTES = ("/api/health/live", "/api/health/ready", "/api/health/status")


@pytest.mark.parametrize("path", ROUTES)
async def test_head_answers_as_get_does(client: httpx.AsyncClient, path: str) -> None:
    got, asked = await client.get(path), await client.head(path)
    assert (got.status_code, asked.status_code) == (200, 200)
    assert asked.headers["content-type"] == got.headers["content-type"] == "application/json"


async def test_an_instance_whose_schema_is_behind_is_taken_out_and_still_tells_its_status(
    client: httpx.AsyncClient, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        was = owner.execute("SELECT version_num FROM alembic_version").fetchone()
        owner.execute("UPDATE alembic_version SET version_num = '0001'")
        try:
            ready, status = await client.get(ROUTES[1]), await client.get(ROUTES[2])
            assert (await client.head(ROUTES[1])).status_code == 503
        finally:
            owner.execute("UPDATE alembic_version SET version_num = %s", was)
    assert (ready.status_code, ready.headers["retry-after"], ready.json()["status"]) == (503, "5", "failed")
    assert ready.json()["checks"]["database"] == {"status": "ok", "reason": ""}
    assert ready.json()["checks"]["schema"]["status"] == "failed"
    assert (status.status_code, status.json()["status"]) == (200, "failed")


async def test_status_fails_without_taking_the_instance_out(client: httpx.AsyncClient) -> None:
    ready, status = await client.get(ROUTES[1]), await client.get(ROUTES[2])
    assert (ready.status_code, status.status_code) == (200, 200)
    assert "reader" not in ready.json()["checks"]
    assert status.json()["checks"]["reader"] == {
        "status": "failed",
        "reason": "No process reads the provider.",
    }
