"""Wallets read together are the same as when read one by one, and nobody's is mixed with another's."""

import pytest

from onramp_app.domain import clock
from onramp_app.top_ups import views
from onramp_app.top_ups.views import MAX_SHOWN_OPEN
from onramp_app.wallet import transactions
from onramp_app.wallet.home import RECENT, Wallets
from onramp_app.wallet.transaction_queries import Filters
from tests import rows
from tests.web.conftest import arrive


@pytest.fixture
async def people(new_account, books, monkeypatch):
    """A person with a long list, one with a short list, and one with nothing."""
    long, short, nothing = [(await new_account()).viewer for _ in range(3)]
    for number in range(RECENT):
        await arrive(books, long.user_id, 10 + number)
    await arrive(books, long.user_id, 3, asset="USDC")
    await arrive(books, short.user_id, 7)
    await arrive(books, short.user_id, 8)
    for number in range(MAX_SHOWN_OPEN + 2):
        top_up_id = books.top_up(long.user_id if number else short.user_id)
        books.owner.execute(
            "UPDATE top_ups SET expected_amount = %s, created_at = now() - make_interval(mins => %s)"
            " WHERE id = %s",
            (1 + number, number, top_up_id),
        )
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    return long, short, nothing


async def test_together_they_are_what_they_are_alone(people):
    together = Wallets(people)
    for viewer in people:
        assert await together.of(viewer) == await Wallets([viewer]).of(viewer)


async def test_each_is_what_its_owner_has_and_did(people):
    long, short, nothing = people
    together = Wallets(people)
    for viewer in people:
        seen = await together.of(viewer)
        assert seen.recent == (await transactions.page(viewer, Filters(), limit=RECENT))[0]
        assert seen.open_top_ups == await views.list_open(viewer)
    seen = await together.of(long)
    assert [item.available for item in seen.balances.items] == ["3", "75"]
    assert [item.pending for item in seen.balances.items] == ["0", str(sum(range(2, 13)))]
    assert (len(seen.recent), len(seen.open_top_ups), len(seen.history)) == (RECENT, MAX_SHOWN_OPEN, 7)
    seen = await together.of(short)
    assert [item.available for item in seen.balances.items] == ["15"]
    assert [item.pending for item in seen.balances.items] == ["1"]
    assert (len(seen.recent), len(seen.open_top_ups), len(seen.history)) == (3, 1, 2)
    seen = await together.of(nothing)
    assert (seen.balances.items, seen.recent, seen.open_top_ups, seen.history) == ((), [], [], [])


async def test_each_open_top_up_has_its_own_steps_and_orders(people, books):
    orders = {}
    for viewer in people[:2]:
        for view in await views.list_open(viewer):
            orders[view.id] = books.delivery(10**18, top_up_id=view.id).provider_order_id
            for word in ("paid", "sending"):
                rows.step(books.owner, view.id, status_class=word, provider_order_id=orders[view.id])
    numbers = dict(books.owner.execute("SELECT id, order_id FROM provider_orders").fetchall())
    together = Wallets(people)
    for viewer in people[:2]:
        for view in (await together.of(viewer)).open_top_ups:
            assert [step.status_class for step in view.timeline] == ["paid", "sending"]
            assert {step.order_id for step in view.timeline} == {numbers[orders[view.id]]}
            assert [order.order_id for order in view.provider_orders] == [numbers[orders[view.id]]]


async def test_who_was_not_read_has_no_wallet(people):
    with pytest.raises(KeyError):
        await Wallets(people[:2]).of(people[2])


async def test_what_cannot_be_read_of_one_is_kept_from_nobody_else(people, books):
    long, short, nothing = people
    expected = await Wallets([short]).of(short)
    books.owner.execute("UPDATE top_ups SET quote = '{}' WHERE user_id = %s", (long.user_id,))
    together = Wallets(people)
    assert await together.of(short) == expected
    assert (await together.of(nothing)).recent == []
    with pytest.raises(KeyError, match="fees"):
        await together.of(long)


async def test_the_last_top_up_is_the_one_that_settled_last(people, books):
    long, short, nothing = people
    books.owner.execute(
        "UPDATE top_ups SET fiat_amount = 4000, settled_at = now() + interval '1 minute' WHERE id ="
        " (SELECT id FROM top_ups WHERE user_id = %s AND status = 'settled' ORDER BY id LIMIT 1)",
        (long.user_id,),
    )
    together = Wallets(people)
    last = (await together.of(long)).last
    assert last is not None
    assert (last.fiat_amount, last.fiat_currency, last.country, last.payment_method) == (
        "4000",
        "INR",
        "IN",
        "UPI",
    )
    assert (await together.of(short)).last is not None
    assert (await together.of(nothing)).last is None
