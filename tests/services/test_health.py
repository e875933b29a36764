"""Readiness says which part is missing, and why."""

import psycopg

from onramp_app.db.direct import connect
from onramp_app.db.locks import Lock
from onramp_app.services.health import readiness


async def states() -> dict[str, tuple[bool, str]]:
    return {check.name: (check.is_well, check.detail) for check in await readiness()}


async def test_without_a_reader_nobody_is_ready(database: str) -> None:
    assert (await states())["reader"] == (False, "No process reads the provider.")
    connection = await connect("test")
    await connection.execute("SELECT pg_advisory_lock(%s)", (Lock.READER,))
    assert (await states())["reader"] == (True, "")
    await connection.close()


async def test_an_event_that_nobody_handles_is_a_backlog(database: str) -> None:
    assert (await states())["backlog"] == (True, "")
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs)"
            " VALUES ('simulator', 'x', '', now() - interval '61 seconds', 'current', false, false)"
        )
    is_well, reason = (await states())["backlog"]
    assert not is_well
    assert "61 s old" in reason
