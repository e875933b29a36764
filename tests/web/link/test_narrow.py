"""A narrow session gives access to one link and its top-up; other handlers, pages and routes refuse it."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
from reflex.event import EventHandler
from reflex_base.registry import RegistrationContext

from onramp_app.accounts import sessions
from onramp_app.links import sessions as narrow
from onramp_app.links.tokens import read_token
from onramp_app.onramp_app import app
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.home.state import HomeState
from onramp_app.web.link.state import VisitState
from onramp_app.web.tabs.session import PrivateState, SessionState
from onramp_app.web.top_up.state import TopUpPageState
from tests.links.shop import Shop, opened, token_of
from tests.money import Wallet
from tests.people import Person, open_another
from tests.web.conftest import BROWSER, Tab, cookie_of

NewVisit = Callable[..., Any]
ORIGIN = "http://localhost:8000"
# The events that a browser that opened a link may send from that link's page.
ADMITTED = {
    "VisitState.load",
    "TopUpPageState.cancel",
    "TopUpPageState.check_now",
    "TopUpPageState.load",
    "TopUpPageState.widget_said",
    "WizardState.begin",
    "WizardState.choose_asset",
    "WizardState.choose_currency",
    "WizardState.choose_method",
    "WizardState.choose_network",
    "WizardState.choose_quick",
    "WizardState.go_on",
    "WizardState.load",
    "WizardState.refresh",
    "WizardState.typed",
    "WizardState.typed_receive",
}


def private_handlers() -> Iterator[tuple[str, EventHandler]]:
    with app.set_contexts():
        found = list(RegistrationContext.get().event_handlers.values())
    for one in found:
        if issubclass(one.states[0], PrivateState) and one.handler.fn.__name__ != "setvar":
            yield f"{one.states[0].__name__}.{one.handler.fn.__name__}", one.handler


async def admitted(tab: Tab) -> set[str]:
    return {name for name, handler in private_handlers() if await tab.preprocess(handler) is None}


async def test_a_narrow_session_admits_to_the_named_handlers_only(shop: Shop, visit: NewVisit) -> None:
    made = await visit(await shop.link())
    page = await made.tab.state(SessionState)
    assert (page.is_narrow, page.is_signed_in, page.person.email) == (True, False, "")
    assert await admitted(made.tab) == ADMITTED


async def test_the_control_a_full_session_is_admitted_to_all_of_them(shop: Shop, ada: Person) -> None:
    session = await open_another(ada.id, sessions.open_browser, BROWSER)
    tab = Tab(cookie_of(session), path="/home")
    await tab.hydrate()
    assert await admitted(tab) == {name for name, _ in private_handlers()}


async def test_on_every_other_page_it_is_nobodys(shop: Shop) -> None:
    cookie = await opened(await shop.link())
    for path in ("/home", "/add-money", "/profile", "/linked", "/link", "/help"):
        tab = Tab(cookie, path=path)
        await tab.hydrate()
        assert not (await tab.state(SessionState)).is_narrow, path
        assert await admitted(tab) == set(), path


async def test_it_admits_to_no_other_link(shop: Shop) -> None:
    one, other = await shop.link(), await shop.link()
    tab = Tab(await opened(one), path=f"/link/{token_of(other)}")
    await tab.hydrate()
    assert await admitted(tab) == set()
    tab.connect(await opened(one), path=f"/link/{token_of(one)}")
    await tab.hydrate()
    assert (await tab.send(VisitState.event_handlers["load"])).went_on, "the session is good"


async def test_no_handler_shows_or_changes_anything_else_where_the_door_is_passed(
    shop: Shop, visit: NewVisit, wallet: Wallet, ada: Person
) -> None:
    """Each handler has its own check too, whichever of the person's ids it is called with."""
    other = await wallet.created(ada, fiat_amount="4321.37")
    wallet.run("UPDATE users SET display_name = 'Ada Canary' WHERE id = %s", ada.id)
    made = await visit(await shop.link())
    before = wallet.rows("SELECT t.status, u.* FROM top_ups t JOIN users u ON u.id = t.user_id")
    for name, handler in private_handlers():
        if name == "WizardState.begin":
            continue
        arguments = handler.fn.__code__.co_varnames[1 : handler.fn.__code__.co_argcount]
        # For some handlers an id is not a valid form; what matters is what is shown and changed.
        with suppress(AttributeError, TypeError, ValueError):
            await made.tab.call(handler, *(other["id"] for _ in arguments))
    seen = str(made.tab.root.dict())
    assert wallet.rows("SELECT t.status, u.* FROM top_ups t JOIN users u ON u.id = t.user_id") == before
    for private in (ada.email, "Ada Canary", ada.id, "4,321", "4321"):
        assert private not in seen, private


async def test_the_control_a_handler_that_takes_any_id_is_noticed(
    shop: Shop, visit: NewVisit, wallet: Wallet, ada: Person
) -> None:
    other = await wallet.created(ada)
    made = await visit(await shop.link())
    (await made.tab.state(WizardState)).shows = "open"  # as if a link showed what else is open
    await made.tab.call(WizardState.event_handlers["cancel_open"], other["id"])
    assert wallet.rows("SELECT status FROM top_ups WHERE id = %s", other["id"]) == [("canceled",)]


async def test_the_page_of_the_top_up_shows_that_alone(
    shop: Shop, visit: NewVisit, wallet: Wallet, ada: Person
) -> None:
    rich = await wallet.created(ada)
    await wallet.deliver(ada, rich["id"], amount="777.5")
    wallet.run("UPDATE users SET display_name = 'Ada Canary' WHERE id = %s", ada.id)
    link = await shop.link()
    made = await visit(link)
    await made.pay()
    top_up_id = (await shop.now(link))["top_up_id"]
    await wallet.deliver(ada, top_up_id)
    await made.open()
    page = (await made.tab.state(TopUpPageState)).page
    assert page.kind == "settled"
    assert (page.balance, page.story_address, page.again_address, page.related, page.code) == (
        "", "", "", (), "",
    )  # fmt: skip
    seen = str(made.tab.root.dict())
    for private in (ada.email, "Ada Canary", ada.id, rich["id"], "777.5", "788.75"):
        assert private not in seen, private


async def test_somebody_who_is_signed_in_stays_so_and_is_not_used(
    shop: Shop, visit: NewVisit, bo: Person, wallet: Wallet
) -> None:
    session = await open_another(bo.id, sessions.open_browser, BROWSER)
    link = await shop.link()
    made = await visit(link, also=cookie_of(session))
    assert (await made.tab.state(SessionState)).person.email == ""
    wizard = await made.tab.state(WizardState)
    assert (wizard.fixed.amount, wizard.fixed.currency, wizard.fixed.asset) == (False, False, False)
    await made.pay("2500")
    assert wallet.rows("SELECT user_id, fiat_amount FROM top_ups") == [(shop.person, 2500)]
    made.tab.connect(made.cookie, path="/home")
    assert not (await made.tab.send(HomeState.event_handlers["load"])).went_on, "the page loads first"
    await made.tab.hydrate()
    page = await made.tab.state(SessionState)
    assert (page.is_signed_in, page.is_narrow, page.person.email) == (True, False, bo.email)
    assert link["id"] not in str(made.tab.root.dict())
    assert (await made.tab.state(VisitState)).shows == ""
    alive = wallet.rows("SELECT revoked_at FROM auth_sessions WHERE id = %s", session.viewer.session_id)
    assert alive == [(None,)]


async def test_a_tab_that_goes_on_to_a_page_for_anybody_forgets_the_link(shop: Shop, visit: NewVisit) -> None:
    made = await visit(await shop.link())
    made.tab.connect(made.cookie, path="/help")
    outcome = await made.tab.send(SessionState.event_handlers["show_failure"], "x")
    assert (outcome.went_on, [event.name.rpartition(".")[2] for event in outcome.events]) == (
        False,
        ["hydrate_and_load"],
    )
    await made.tab.hydrate()
    assert (await made.tab.state(WizardState)).shows == ""
    assert not (await made.tab.state(SessionState)).is_narrow


async def test_a_stolen_tab_of_a_link_is_worth_nothing(shop: Shop, visit: NewVisit, bo: Person) -> None:
    """Somebody who connects with its token can neither see its content nor continue with it."""
    made = await visit(await shop.link())
    session = await open_another(bo.id, sessions.open_browser, BROWSER)
    for cookie in ("", cookie_of(session), await opened(await shop.link())):
        made.tab.connect(cookie, path=made.path)
        outcome = await made.tab.send(WizardState.event_handlers["refresh"])
        assert not outcome.went_on
        assert (await made.tab.state(WizardState)).shows == ""
        made.tab.connect(made.cookie, path=made.path)
        await made.open()
        assert (await made.tab.state(WizardState)).shows == "form"


async def test_it_ends_with_its_link(shop: Shop, visit: NewVisit) -> None:
    for end in (lambda link: shop.ask("DELETE", f"/{link['id']}"), shop.age):
        made = await visit(await shop.link())
        if (ending := end(made.link)) is not None:
            await ending
        outcome = await made.tab.send(WizardState.event_handlers["refresh"])
        events = [event.name.rpartition(".")[2] for event in outcome.events]
        assert (outcome.went_on, events) == (False, ["hydrate_and_load"]), "the page loads again"
        assert (await made.tab.state(WizardState)).shows == ""


async def test_neither_cookie_passes_for_the_other(shop: Shop, ada: Person) -> None:
    link = await shop.link()
    value = (await opened(link)).partition("=")[2]
    session = await open_another(ada.id, sessions.open_browser, BROWSER)
    assert await sessions.resolve_cookie_header(f"session={value}") is None
    assert await narrow.resolve(f"link={session.cookie_value}", link["id"]) is None
    assert await narrow.resolve(f"link={value}", read_token(token_of(link)) or "") is not None, "it is good"


async def test_every_route_of_people_refuses_it(shop: Shop, client: httpx.AsyncClient, ada: Person) -> None:
    cookie = await opened(await shop.link())
    value = cookie.partition("=")[2]
    document = (await client.get("/api/openapi.json")).json()
    asked = 0
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            if not any("APIKeyCookie" in one for one in described.get("security", ())):
                continue
            address = re.sub(r"\{\w+\}", "0" * 32, path)
            for headers in (
                {"Cookie": f"{cookie}; session={value}", "Origin": ORIGIN},
                {"Authorization": f"Bearer {value}"},
            ):
                answer = await client.request(method.upper(), address, headers=headers, json={})
                assert answer.status_code == 401, (method, path, answer.status_code)
                asked += 1
    assert asked > 50
    session = await open_another(ada.id, sessions.open_browser, BROWSER)
    good = await client.get("/api/auth/me", headers={"Cookie": cookie_of(session), "Origin": ORIGIN})
    assert good.status_code == 200, "a full session is let in"
