"""The provider's health in words, and when a payment was last credited."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.pricing import catalogue
from onramp_app.providers import connection
from onramp_app.providers.status import HealthState
from onramp_app.top_ups import provider_status as module
from onramp_app.top_ups.provider_status import provider_status
from tests.ledger.books import NOW, Books


@pytest.fixture
def books(database: str) -> Iterator[Books]:
    module.forget()
    books = Books(database)
    yield books
    module.forget()


def _settled(books: Books, method: str, *, minutes_ago: int) -> None:
    top_up_id = books.top_up(books.user())
    books.settle(top_up_id, 100)
    at = NOW - timedelta(minutes=minutes_ago)
    books.owner.execute(
        "UPDATE top_ups SET settled_at = %s, payment_method = %s WHERE id = %s", (at, method, top_up_id)
    )


async def test_the_last_payment_of_any_method_counts(books: Books) -> None:
    assert (await provider_status()).last_settled_at is None
    module.forget()
    for method, minutes in (("UPI", 9), ("IMPS", 7), ("ACH", 30), ("UPI", 20)):
        _settled(books, method, minutes_ago=minutes)
    assert (await provider_status()).last_settled_at == NOW - timedelta(minutes=7)


async def test_payments_that_were_not_credited_and_other_environments_do_not_count(books: Books) -> None:
    _settled(books, "UPI", minutes_ago=9)
    books.top_up(books.user())
    assert (await provider_status()).last_settled_at == NOW - timedelta(minutes=9)
    module.forget()
    books.owner.execute("UPDATE top_ups SET environment = 'sandbox'")
    assert (await provider_status()).last_settled_at is None


async def test_without_a_database_the_state_is_still_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module.forget()
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:b@127.0.0.1:1/c")
    module.get_provider.cache_clear()
    found = await provider_status()
    assert (found.last_settled_at, found.text) == (None, "Onramp is working normally.")
    monkeypatch.setattr(module, "transaction", None)  # It is cached: nothing else queries the database.
    assert await provider_status() == found
    module.forget()


async def test_what_the_provider_has_paused_is_said_before_anybody_pays(
    books: Books, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSETS", '{"USDT": ["matic20", "bep20"], "USDC": ["matic20"]}')
    get_settings.cache_clear()
    await connection.close()
    catalogue.forget()
    simulator.scenario("node_out_of_sync", times=None)
    await catalogue.get_options().refresh()
    found = await provider_status()
    assert (found.state, found.paused) == ("ok", ("USDT on Polygon",))
    assert found.text == "Onramp has paused USDT on Polygon. Everything else works normally."
    assert (await provider_status(asset="USDC")).text == "Onramp is working normally."
    await connection.close()
    catalogue.forget()


def test_what_is_paused_is_said_beside_a_provider_that_is_away() -> None:
    words = module._words(HealthState.AWAY, "Polygon")
    assert words.startswith("Onramp isn't answering right now.")
    assert words.endswith("Payments already made aren't lost. It has also paused Polygon.")


async def test_it_is_read_from_an_index(books: Books) -> None:
    _settled(books, "UPI", minutes_ago=9)
    books.owner.execute("SET enable_seqscan = off")
    plan = books.owner.execute(
        "EXPLAIN " + str(module._LAST_SETTLED).replace(":environment", "'simulator'")
    ).fetchall()
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan on top_ups" not in text
    assert "ix_top_ups_settled_by_method" in text
