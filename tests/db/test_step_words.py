"""Timeline steps from before their columns existed get the columns that their sentences stood for."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from onramp_app.db.migrate import downgrade, migrate
from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.transitions import Act, Reason
from tests import rows

BEFORE = "0015"
# Reasons that did not exist then.
SINCE = {Reason.CHAIN_MISSING, Reason.CHAIN_DIFFERS, Reason.SETTLEMENT_REVIEW}
_LINKED = ", a top-up of its own was made of it"
_UNCOUNTED = "over_limit: it cannot be counted, since no exchange rate was ever known"
_ROUNDED = "rounded, since 11.030000000000001 was printed"
# Every kind of step that the earlier release could write: source, status, sentence; then the new columns.
LINES: tuple[tuple[str, str, str, tuple[str, str | None, str | None]], ...] = (
    ("user", "created", "", ("created", None, None)),
    ("user", "canceled", "", ("canceled", None, None)),
    ("clock", "expired", "expire", ("expired", None, None)),
    ("clock", "in_review", "give_up_unknown", ("given_up", None, None)),
    ("operator", "settled", "released", ("released", None, None)),
    ("operator", "reversed", "returned", ("returned", None, None)),
    ("operator", "failed", "closed", ("closed", None, None)),
    ("operator", "reversed", "reversed", ("reversed", None, None)),
    ("operator", "settled", "reversal undone", ("reversal_undone", None, None)),
    ("operator", "settled", "attributed", ("attributed", None, None)),
    *(
        (source, "processing", word.value, ("read", word.value, None))
        for source in ("poll", "webhook_read")
        for word in StatusClass
    ),
    *(
        ("poll", "in_review", f"delivered: {reason.value}", ("read", "delivered", reason.value))
        for reason in set(Reason) - SINCE
    ),
    ("poll", "settled", f"delivered: {_ROUNDED}", ("read", "delivered", None)),
    ("poll", "in_review", f"delivered: over_delivery; {_ROUNDED}", ("read", "delivered", "over_delivery")),
    ("poll", "in_review", f"delivered: {_UNCOUNTED}", ("read", "delivered", "over_limit")),
    ("poll", "in_review", f"delivered: {_UNCOUNTED}; {_ROUNDED}", ("read", "delivered", "over_limit")),
    (
        "webhook_read",
        "in_review",
        "delivered: everything is held until released (ONRAMP_SETTLEMENT=review)",
        ("read", "delivered", "over_limit"),
    ),
    ("poll", "settled", f"delivered{_LINKED}", ("linked", "delivered", None)),
    ("poll", "settled", f"delivered: wrong_address{_LINKED}", ("linked", "delivered", "wrong_address")),
    (
        "poll",
        "settled",
        f"delivered: wrong_asset; {_ROUNDED}" + _LINKED,
        ("linked", "delivered", "wrong_asset"),
    ),
    ("poll", "settled", f"delivered: {_ROUNDED}{_LINKED}", ("linked", "delivered", None)),
)


@pytest.fixture
def before(empty_database: str) -> Iterator[tuple[str, psycopg.Connection[Any], str]]:
    """The URL of a database of the earlier release, its owner's connection, and a top-up's id."""
    migrate(empty_database, BEFORE)
    with psycopg.connect(empty_database, autocommit=True) as owner:
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
        yield empty_database, owner, rows.top_up(owner, rows.user(owner))


def _write(
    connection: psycopg.Connection[Any], top_up_id: str, source: str, status: str, detail: str
) -> None:
    rows.insert(
        connection,
        "top_up_steps",
        top_up_id=top_up_id,
        at="2026-03-01T12:00:00Z",
        status=status,
        charged="no",
        source=source,
        detail=detail,
    )


def _named(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT act, status_class, hold FROM top_up_steps ORDER BY id").fetchall()


def test_every_kind_of_line_gets_the_columns_of_its_sentence(before: Any) -> None:
    url, owner, top_up_id = before
    for source, status, detail, _ in LINES:
        _write(owner, top_up_id, source, status, detail)
    sentences = owner.execute("SELECT * FROM top_up_steps ORDER BY id").fetchall()
    migrate(url)
    assert _named(owner) == [named for *_, named in LINES]
    assert {named[0] for *_, named in LINES} == set(Act) - {Act.CREDITED}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("UPDATE top_up_steps SET act = 'read'")  # the table is still append-only
    downgrade(url, BEFORE)
    assert owner.execute("SELECT * FROM top_up_steps ORDER BY id").fetchall() == sentences
    migrate(url)
    assert _named(owner) == [named for *_, named in LINES]


def test_what_the_release_before_writes_meanwhile_gets_them_too(before: Any) -> None:
    url, _, top_up_id = before
    migrate(url)
    with psycopg.connect(url, autocommit=True) as old:
        old.execute("SET ROLE onramp_app")
        for source, status, detail, _ in LINES:
            _write(old, top_up_id, source, status, detail)
        assert _named(old) == [named for *_, named in LINES]


NEVER_WRITTEN = [
    ("poll", "processing", "payment received"),
    ("poll", "processing", "paidish"),
    ("operator", "processing", "paid"),  # the words of a person, not of a read
    ("user", "processing", ""),
    ("clock", "expired", "expired"),
    ("system", "settled", "released"),
]


def test_control_a_line_that_no_release_wrote_is_not_guessed(before: Any) -> None:
    url, owner, top_up_id = before
    for source, status, detail in NEVER_WRITTEN:
        _write(owner, top_up_id, source, status, detail)
        with pytest.raises(ValueError, match="that no release of this application has written"):
            migrate(url)
        assert owner.execute("SELECT version_num FROM alembic_version").fetchone() == (BEFORE,)
        assert len(owner.execute("SELECT * FROM top_up_steps").description or ()) == 11
        owner.execute("ALTER TABLE top_up_steps DISABLE TRIGGER USER")
        owner.execute("DELETE FROM top_up_steps")
        owner.execute("ALTER TABLE top_up_steps ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    "columns",
    [
        {"act": "paid"},
        {"act": "read"},
        {"act": "released", "status_class": "paid"},
        {"act": "read", "status_class": "gone"},
        {"act": "read", "status_class": "paid", "hold": "over_limit"},
        {"act": "read", "status_class": "delivered", "hold": "reasons"},
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused(database: str, columns: dict[str, str]) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
        top_up_id = rows.top_up(owner, rows.user(owner))
        fitting = {"act": "read", "status_class": "delivered", "hold": "over_limit"}
        rows.step(owner, top_up_id, **fitting)
        with pytest.raises(psycopg.errors.CheckViolation):
            rows.step(owner, top_up_id, **columns)
