"""`/api/add-money-links` over HTTP: what it accepts, answers and refuses."""

import xml.etree.ElementTree as ET
from datetime import datetime, timedelta

import pytest

from onramp_app.domain.ids import new_id
from onramp_app.links import views
from onramp_app.links.errors import LinkOver
from tests import rows
from tests.links.shop import SHOP, Shop, opened, payer_of, token_of
from tests.money import assert_problem
from tests.people import Person


async def test_a_link_and_what_its_program_sees_of_it(shop: Shop) -> None:
    asked = {
        "fiat_currency": "INR",
        "fiat_amount": "1000.00",
        "asset": "USDT",
        "return_url": f"{SHOP}/paid?order=7",
        "reference": "order-7",
        "expires_in": 600,
    }
    link = await shop.link(**asked)
    assert link["url"].startswith("http://localhost:3000/link/")
    assert (link["status"], link["top_up_id"], link["fiat_amount"]) == ("open", None, "1000")
    life = datetime.fromisoformat(link["expires_at"]) - datetime.fromisoformat(link["created_at"])
    assert life == timedelta(minutes=10)
    again = await shop.ask("POST", user_id=shop.person, **asked)
    assert (again.status_code, again.json()) == (200, link)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await shop.ask("POST", user_id=shop.person, **(asked | {"fiat_amount": "1001"}))
    assert_problem(other, 409, "idempotency_conflict")
    assert await shop.now(link) == link
    lines = shop.wallet.rows("SELECT actor, action FROM audit_log WHERE subject = %s", link["id"])
    assert lines == [(f"key:{shop.key[4:36]}", "link.created")], "once"
    ((row,),) = shop.wallet.rows("SELECT add_money_links::text FROM add_money_links")
    assert token_of(link) not in row, "what opens it is nowhere in the database"
    assert link["return_secret"] not in row


async def test_the_picture_of_a_link(shop: Shop) -> None:
    link = await shop.link()
    picture = await shop.ask("GET", f"/{link['id']}/qr.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert picture.headers["cache-control"] == "no-store"
    assert ET.fromstring(picture.content).tag == "{http://www.w3.org/2000/svg}svg"
    assert link["url"] not in picture.text


async def test_a_revoked_link_opens_nothing_and_ends_what_it_opened(shop: Shop) -> None:
    link = await shop.link()
    cookie = await opened(link)
    await payer_of(link, cookie)
    assert (await shop.ask("DELETE", f"/{link['id']}")).status_code == 204
    assert (await shop.ask("DELETE", f"/{link['id']}")).status_code == 204, "again changes nothing"
    assert (await shop.now(link))["status"] == "revoked"
    found = await views.opened(token_of(link))
    assert found is not None
    assert (found.status, found.terms) == ("revoked", None)
    with pytest.raises(AssertionError):
        await payer_of(link, cookie)
    actions = shop.wallet.rows("SELECT action FROM audit_log WHERE subject = %s ORDER BY at, id", link["id"])
    assert actions == [("link.created",), ("link.revoked",)]


async def test_the_links_of_a_program_work_as_long_as_one_of_its_keys(shop: Shop) -> None:
    """A link may have been created by somebody else, with a leaked key."""
    link = await shop.link()
    cookie = await opened(link)
    shop.wallet.run("UPDATE api_keys SET ends_at = now()")
    found = await views.opened(token_of(link))
    assert found is not None
    assert found.terms is None
    with pytest.raises(LinkOver):
        await opened(link)
    with pytest.raises(AssertionError):
        await payer_of(link, cookie)


async def test_the_time_of_a_link_is_up(shop: Shop) -> None:
    link = await shop.link()
    cookie = await opened(link)
    shop.age(link)
    assert (await shop.now(link))["status"] == "expired"
    found = await views.opened(token_of(link))
    assert found is not None
    assert (found.status, found.terms) == ("expired", None)
    with pytest.raises(AssertionError):
        await payer_of(link, cookie)


async def test_another_program_has_no_such_link(shop: Shop, bo: Person) -> None:
    link = await shop.link()
    _, key = rows.program(shop.wallet.owner)
    stranger = Shop(shop.wallet, shop.person, key)
    for method, path in (("GET", ""), ("GET", "/qr.svg"), ("DELETE", "")):
        assert_problem(await stranger.ask(method, f"/{link['id']}{path}"), 404, "not_found")
    assert_problem(await stranger.ask("POST", user_id=shop.person), 404, "not_found")
    assert_problem(await shop.ask("POST", user_id=bo.id), 404, "not_found")
    assert_problem(await shop.ask("GET", f"/{new_id()}"), 404, "not_found")
    assert_problem(await shop.ask("GET", "/%00"), 404, "not_found")
    assert (await shop.now(link))["status"] == "open"


async def test_what_cannot_be_used_is_refused(shop: Shop) -> None:
    for wrong, code in (
        ({"fiat_amount": "1000"}, "validation_failed"),
        ({"fiat_currency": "INR", "fiat_amount": 1000}, "validation_failed"),
        ({"fiat_currency": "INR", "fiat_amount": "0"}, "validation_failed"),
        ({"fiat_currency": "INR", "fiat_amount": "1000.123"}, "validation_failed"),
        ({"fiat_currency": "INR", "fiat_amount": "1"}, "amount_out_of_limits"),
        ({"fiat_currency": "XTS"}, "unsupported_currency"),
        ({"fiat_currency": "inr"}, "validation_failed"),
        ({"asset": "DOGE"}, "unsupported_asset"),
        ({"return_url": "https://evil.example/"}, "validation_failed"),
        ({"reference": "a:b"}, "validation_failed"),
        ({"expires_in": 299}, "validation_failed"),
        ({"expires_in": 2_592_001}, "validation_failed"),
        ({"expires_in": "600"}, "validation_failed"),
        ({"color": "red"}, "validation_failed"),
    ):
        answer = await shop.ask("POST", **({"user_id": shop.person} | wrong))
        assert_problem(answer, 422, code)
    assert shop.wallet.count("add_money_links") == 0


async def test_no_link_is_made_for_a_frozen_account(shop: Shop) -> None:
    shop.wallet.run("UPDATE users SET frozen_at = now() WHERE id = %s", shop.person)
    assert_problem(await shop.ask("POST", user_id=shop.person), 403, "account_frozen")


async def test_links_can_be_made_while_the_provider_is_away(shop: Shop) -> None:
    shop.wallet.simulator.scenario("api_down")
    link = await shop.link(fiat_currency="INR", fiat_amount="1000")
    assert link["status"] == "open"
