"""The inbox's own limits: one row per event, twenty bodies per header, a thousand refusals."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

_EVENT = (
    "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs, replays)"
    " VALUES ('simulator', %s, %s, now(), 'current', false, false, 0) ON CONFLICT DO NOTHING"
)


def _connect(url: str) -> psycopg.Connection:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET ROLE onramp_app")
    return connection


def test_the_same_event_again_is_not_stored_again(database: str) -> None:
    with _connect(database) as connection:
        stored = [
            connection.execute(_EVENT, event).rowcount
            for event in ((b"h", b"b"), (b"h", b"b"), (b"h", b"c"), (b"g", b"b"))
        ]
        assert stored == [1, 0, 1, 1]
        assert connection.execute(
            "SELECT DISTINCT header_hash = sha256(header) AND body_hash = sha256(body) FROM webhook_events"
        ).fetchall() == [(True,)]


def _flood(database: str, *, header: bytes) -> int:
    def insert(worker: int) -> None:
        with _connect(database) as connection:
            for number in range(10):
                connection.execute(_EVENT, (header, b"body %d %d" % (worker, number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(insert, range(8)))
    with _connect(database) as connection:
        return connection.execute(
            "SELECT count(*) FROM webhook_events WHERE header = %s", (header,)
        ).fetchone()[0]


def test_a_header_keeps_twenty_bodies_however_many_come_at_once(database: str) -> None:
    assert _flood(database, header=b"captured") == 20
    with _connect(database) as connection:
        rows = [(b"another", b"%d" % number) for number in range(30)]
        values = ",".join(["('simulator', %s, %s, now(), 'current', false, false, 0)"] * 30)
        connection.execute(
            "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs,"
            f" replays) VALUES {values} ON CONFLICT DO NOTHING",
            [part for row in rows for part in row],
        )
        assert connection.execute("SELECT count(*) FROM webhook_events").fetchone() == (40,)


def test_control_without_the_trigger_a_header_keeps_all(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("ALTER TABLE webhook_events DISABLE TRIGGER limit_bodies")
    assert _flood(database, header=b"captured") == 80


def test_the_newest_thousand_refusals_are_kept(database: str) -> None:
    with _connect(database) as connection:
        for _ in range(3):
            connection.execute(
                "INSERT INTO webhook_refusals (environment, received_at, reason, address, header, body)"
                " SELECT 'simulator', now(), 'signature_wrong', '', '', '' FROM generate_series(1, 600)"
            )
        kept = connection.execute("SELECT count(*), min(id), max(id) FROM webhook_refusals").fetchone()
    assert kept == (1000, 801, 1800)


@pytest.mark.parametrize(
    ("header", "body"),
    [(b"", b"x"), (b"x" * 32769, b""), (b"x", b"x" * 65537)],
    ids=["none", "header", "body"],
)
def test_an_event_larger_than_its_limit_is_refused(database: str, header: bytes, body: bytes) -> None:
    with _connect(database) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(_EVENT, (header, body))
