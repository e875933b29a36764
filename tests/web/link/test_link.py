"""`/link/[token]`: who requests what, and how the link's single top-up is created and shown."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from onramp_app.accounts import sessions
from onramp_app.config import get_settings
from onramp_app.links.returns import signature_of
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.link.state import LinkState, VisitState
from onramp_app.web.top_up.state import TopUpPageState
from tests.links.shop import SHOP, Shop, token_of
from tests.money import Wallet
from tests.people import Person, open_another
from tests.web.conftest import BROWSER, cookie_of

NewVisit = Callable[..., Any]
FIXED = {"fiat_currency": "INR", "fiat_amount": "1000", "asset": "USDT"}


def returned(address: str, link: dict[str, Any]) -> dict[str, str]:
    """Return the result in a return URL, after verifying its signature as a program does."""
    given = {name: one[0] for name, one in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}
    assert given["signature"] == signature_of(given, secret=link["return_secret"])
    return given


async def test_the_address_alone_says_who_asks_for_what(shop: Shop, visit: NewVisit) -> None:
    made = await visit(await shop.link(**FIXED, return_url=f"{SHOP}/paid"), is_opened=False)
    page = await made.tab.state(LinkState)
    assert (page.shows, page.asked.title) == ("asked", "Tea shop asks you to add ₹1,000")
    assert returned(page.asked.back.address, made.link)["status"] == "canceled"
    assert (await made.tab.state(VisitState)).shows == ""
    assert (await made.tab.state(WizardState)).shows == ""


async def test_a_link_is_paid_as_it_fixes(shop: Shop, visit: NewVisit) -> None:
    made = await visit(await shop.link(**FIXED))
    wizard = await made.tab.state(WizardState)
    assert (wizard.shows, wizard.amount, wizard.offer.currency, wizard.asset) == (
        "form",
        "1000",
        "INR",
        "USDT",
    )
    assert (wizard.fixed.amount, wizard.fixed.currency, wizard.fixed.asset) == (True, True, True)
    for name, value in (
        ("choose_currency", "BRL-BR"),
        ("choose_asset", "USDC"),
        ("typed", "5000"),
        ("typed_receive", "70"),
        ("choose_quick", "5000"),
    ):
        await made.do(WizardState, name, value)
        assert (wizard.amount, wizard.offer.currency, wizard.asset) == ("1000", "INR", "USDT"), name
    for currency in ("BRL", "INR"):
        search = f"?step=check&amount=9999&currency={currency}&asset=USDC&network=matic20&method=UPI"
        await made.open(search)
        wizard = await made.tab.state(WizardState)
        assert (wizard.amount, wizard.offer.currency, wizard.asset) == ("1000", "INR", "USDT"), currency
    await made.do(WizardState, "begin")
    used = await shop.now(made.link)
    assert (used["status"], used["top_up_status"]) == ("used", "created")
    assert (await made.tab.state(VisitState)).shows == "top_up"
    page = (await made.tab.state(TopUpPageState)).page
    assert (page.id, page.kind, page.widget_url != "") == (used["top_up_id"], "offered", True)


async def test_an_asset_that_is_not_sold_for_the_persons_money_is_offered_for_other_money(
    shop: Shop, visit: NewVisit, wallet: Wallet
) -> None:
    """An unknown person's money is taken to be dollars, for which USDT is not sold here."""
    wallet.run("UPDATE users SET country = NULL, display_currency = 'USD'")
    free = await visit(await shop.link())
    assert (await free.tab.state(WizardState)).offer.currency == "USD"
    made = await visit(await shop.link(asset="USDT"))
    wizard = await made.tab.state(WizardState)
    assert (wizard.asset, wizard.fixed.currency, wizard.problem) == ("USDT", False, "")
    assert wizard.offer.currency != "USD"
    assert wizard.bill.receive != ""
    await made.do(WizardState, "choose_currency", "USD")
    wizard = await made.tab.state(WizardState)
    assert wizard.amount_problem == "USDT can't be bought in USD. Choose another currency."
    assert wizard.bill.receive == ""
    await made.do(WizardState, "go_on", {"amount": "1000", "receive": ""})
    assert (await made.tab.state(WizardState)).step == "amount"
    await made.do(WizardState, "choose_currency", "INR")
    await made.pay("1000")
    assert wallet.rows("SELECT asset, link_id FROM top_ups") == [("USDT", made.link["id"])]


async def test_a_link_opened_again_goes_on_with_its_top_up(
    shop: Shop, visit: NewVisit, wallet: Wallet
) -> None:
    link = await shop.link(return_url=f"{SHOP}/paid?order=7")
    await (await visit(link)).pay()
    phone = await visit(link, is_opened=False)
    page = await phone.tab.state(LinkState)
    assert page.asked.back.address == "", "what came of it is for those who open it"
    again = await visit(link)
    top_up_id = (await shop.now(link))["top_up_id"]
    assert (await again.tab.state(TopUpPageState)).page.id == top_up_id
    wallet.settle(top_up_id)
    await again.open()
    assert (await again.tab.state(TopUpPageState)).page.kind == "settled"
    result = returned((await again.tab.state(VisitState)).back.address, link)
    assert (result["order"], result["status"], result["amount"], result["asset"], result["top_up_id"]) == (
        "7",
        "settled",
        "11.25",
        "USDT",
        top_up_id,
    )


async def test_who_cancels_the_top_up_returns_with_that(shop: Shop, visit: NewVisit) -> None:
    made = await visit(await shop.link(**FIXED, return_url=SHOP))
    await made.pay()
    await made.do(TopUpPageState, "cancel")
    await made.open()
    page = (await made.tab.state(TopUpPageState)).page
    assert (page.kind, page.can_start_again) == ("ended", False)
    assert returned((await made.tab.state(VisitState)).back.address, made.link)["status"] == "canceled"


async def test_links_that_work_no_longer_say_why(shop: Shop, visit: NewVisit) -> None:
    said = []
    expired, revoked = [await shop.link(return_url=f"{SHOP}/paid") for _ in range(2)]
    shop.age(expired)
    await shop.ask("DELETE", f"/{revoked['id']}")
    unknown = revoked | {"url": "https://wallet.example.com/link/unknown"}
    for link in (expired, revoked, unknown):
        made = await visit(link, is_opened=False)
        page = await made.tab.state(LinkState)
        assert (page.shows, page.token) == ("over", token_of(link))
        said.append(page.over.title)
        back = page.over.back.address
        assert back == "" if link is unknown else returned(back, link)["status"] == "canceled"
    assert said == ["This link has expired", "This link was withdrawn", "This link doesn't work"]


async def test_what_came_of_a_link_is_not_said_to_who_has_only_its_address(
    shop: Shop, visit: NewVisit
) -> None:
    link = await shop.link(return_url=f"{SHOP}/paid")
    await (await visit(link)).pay()
    await shop.ask("DELETE", f"/{link['id']}")
    page = await (await visit(link, is_opened=False)).tab.state(LinkState)
    assert (page.over.title, page.over.back.address) == ("This link was withdrawn", "")


async def test_a_frozen_account_is_told_without_its_number(
    shop: Shop, visit: NewVisit, wallet: Wallet
) -> None:
    link = await shop.link()
    wallet.run("UPDATE users SET frozen_at = now() WHERE id = %s", shop.person)
    made = await visit(link)
    wizard = await made.tab.state(WizardState)
    assert (wizard.shows, wizard.blocked.title) == ("blocked", "Your account is frozen")
    assert shop.person not in str(made.tab.root.dict())


async def test_nowhere_is_returned_to_once_its_origin_is_taken_away(
    shop: Shop, visit: NewVisit, monkeypatch: Any
) -> None:
    link = await shop.link(return_url=SHOP)
    monkeypatch.delenv("RETURN_ORIGINS")
    get_settings.cache_clear()
    made = await visit(link, is_opened=False)
    assert (await made.tab.state(LinkState)).asked.back.address == ""


async def test_somebody_signed_in_as_another_is_told_for_whom_it_is(
    shop: Shop, visit: NewVisit, bo: Person
) -> None:
    for person, is_somebody_else in ((bo.id, True), (shop.person, False)):
        session = await open_another(person, sessions.open_browser, BROWSER)
        made = await visit(await shop.link(), is_opened=False, also=cookie_of(session))
        assert (await made.tab.state(LinkState)).asked.is_somebody_else is is_somebody_else
