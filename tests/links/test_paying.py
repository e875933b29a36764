"""The single top-up of a link: created once, for the person the program vouches for, and as requested."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.ids import new_id
from onramp_app.links import paying, views
from onramp_app.links.errors import LinkOver
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.top_ups.errors import AccountFrozen, EmailNotConfirmed, KycRequired
from tests.links.shop import Shop, opened, payer_of, token_of
from tests.money import Wallet

EXPECTED = Decimal("11.25")


def wanted(**changes: Any) -> PurchaseRequest:
    given = {
        "fiat_currency": "INR",
        "fiat_amount": Decimal(1000),
        "asset": "USDT",
        "network": "matic20",
        "payment_method": "UPI",
    }
    return PurchaseRequest(**(given | changes))


async def begin(link: dict[str, Any], cookie: str = "", **changes: Any) -> str:
    payer = await payer_of(link, cookie)
    quoted = EXPECTED * changes.get("fiat_amount", 1000) / 1000
    return await paying.begin(payer, wanted(**changes), expected_amount=quoted, review=new_id())


async def begin_however_busy(link: dict[str, Any], cookie: str) -> str:
    """Create the link's top-up, retrying while all connections are taken, as the page asks people to."""
    for _ in range(20):
        try:
            return await begin(link, cookie)
        except DatabaseUnavailable as away:
            await asyncio.sleep(away.retry_after_seconds or 0.1)
    raise AssertionError("the database never answered")


async def test_a_link_begins_one_top_up_and_shows_what_came_of_it(shop: Shop, wallet: Wallet) -> None:
    link = await shop.link(fiat_currency="INR", fiat_amount="1000", asset="USDT")
    top_up_id = await begin(link)
    used = await shop.now(link)
    assert (used["status"], used["top_up_id"], used["top_up_status"]) == ("used", top_up_id, "created")
    wallet.settle(top_up_id)
    settled = await shop.now(link)
    assert (settled["top_up_status"], settled["received_amount"], settled["received_asset"]) == (
        "settled",
        "11.25",
        "USDT",
    )
    found = await views.opened(token_of(link))
    assert found is not None
    assert found.terms is not None, "it shows how the top-up ended"
    wallet.run("UPDATE top_ups SET updated_at = now() - interval '61 minutes' WHERE id = %s", top_up_id)
    found = await views.opened(token_of(link))
    assert found is not None
    assert (found.status, found.terms) == ("used", None), "for an hour"


async def test_many_browsers_that_open_a_link_begin_one_top_up(shop: Shop, wallet: Wallet) -> None:
    link = await shop.link()
    cookies = [await opened(link) for _ in range(3)]
    begun = await asyncio.gather(*(begin_however_busy(link, cookie) for cookie in cookies for _ in range(2)))
    assert len(set(begun)) == 1
    assert wallet.rows("SELECT id, link_id FROM top_ups") == [(begun[0], link["id"])]


async def test_without_the_lock_and_the_look_a_link_would_begin_two(
    shop: Shop, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await shop.link()
    payer = await payer_of(link)

    async def nothing_found(*_: object, **__: object) -> views.LinkRows:
        return views.LinkRows(None, None, None, None, is_over=False)  # type: ignore[arg-type]

    monkeypatch.setattr(paying, "read", nothing_found)
    await paying.begin(payer, wanted(), expected_amount=EXPECTED, review=new_id())
    with pytest.raises(Exception, match="uq_top_ups_link_id"):  # The second line of defense.
        await paying.begin(payer, wanted(), expected_amount=EXPECTED, review=new_id())


async def test_what_a_link_fixes_cannot_be_changed(shop: Shop, wallet: Wallet) -> None:
    link = await shop.link(fiat_currency="INR", fiat_amount="1000", asset="USDT")
    cookie = await opened(link)
    for change in (
        {"fiat_amount": Decimal(1001)},
        {"fiat_amount": Decimal("1000.01")},
        {"fiat_currency": "BRL", "payment_method": "PIX"},
        {"asset": "USDC"},
    ):
        with pytest.raises(LinkOver):
            await begin(link, cookie, **change)
    assert wallet.count("top_ups") == 0
    await begin(await shop.link(), fiat_amount=Decimal(2000))


async def test_a_link_that_ended_meanwhile_begins_nothing(shop: Shop, wallet: Wallet) -> None:
    for end in (lambda link: shop.ask("DELETE", f"/{link['id']}"), shop.age):
        link = await shop.link()
        payer = await payer_of(link)
        if (ending := end(link)) is not None:
            await ending
        with pytest.raises(LinkOver):
            await paying.begin(payer, wanted(), expected_amount=EXPECTED, review=new_id())
    assert wallet.count("top_ups") == 0


async def test_the_program_vouches_for_its_person(
    shop: Shop, wallet: Wallet, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A confirmed email address is required without a link, but not through one."""
    monkeypatch.setenv("REQUIRE_CONFIRMED_EMAIL", "true")
    get_settings.cache_clear()
    wallet.run("UPDATE users SET email_confirmed_at = NULL WHERE id = %s", shop.person)
    refused = await wallet.create(ada)
    assert refused.json()["code"] == EmailNotConfirmed.code
    await begin(await shop.link())


async def test_a_person_whom_nobody_knows_yet_adds_money(shop: Shop, wallet: Wallet) -> None:
    opened_account = await wallet.client.post(
        "/api/users", json={"external_id": "c-9"}, headers={"Authorization": f"Bearer {shop.key}"}
    )
    link = await shop.link(user_id=opened_account.json()["id"])
    top_up_id = await begin(link)
    assert wallet.rows("SELECT user_id FROM top_ups WHERE id = %s", top_up_id) == [
        (opened_account.json()["id"],)
    ]


async def test_what_refuses_a_person_refuses_their_link(shop: Shop, wallet: Wallet) -> None:
    link = await shop.link()
    cookie = await opened(link)
    wallet.run("UPDATE users SET kyc_status = 'rejected' WHERE id = %s", shop.person)
    with pytest.raises(KycRequired):
        await begin(link, cookie)
    wallet.run("UPDATE users SET kyc_status = 'none', frozen_at = now() WHERE id = %s", shop.person)
    with pytest.raises(AccountFrozen):
        await begin(link, cookie)
    assert wallet.count("top_ups") == 0
