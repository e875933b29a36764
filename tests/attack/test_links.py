"""Open pages of an add-money link: they show the progress of its top-up, nothing else, and end with it."""

import asyncio
from decimal import Decimal

import pytest
from starlette.types import ASGIApp

from onramp_app.accounts.views import Viewer
from onramp_app.links import paying
from onramp_app.links.sessions import Payer
from onramp_app.onramp_app import app
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.wallet.latest import Latest
from onramp_app.web.link.state import LinkState
from onramp_app.web.tabs import push
from onramp_app.web.tabs.push import Tabs
from tests import rows
from tests.attack.scene import Scene, new_address
from tests.attack.wire import Wire
from tests.links import shop

AGAIN = "reflex___state____state.hydrate_and_load"
LOAD = f"{LinkState.get_full_name()}.load"
REQUEST = PurchaseRequest("INR", Decimal(1000), "USDT", "matic20", "UPI")


async def _look() -> None:
    async with asyncio.TaskGroup() as tasks:
        await Tabs(app, tasks).look()


async def _open_page(asgi: ASGIApp, path: str, cookie: str) -> Wire:
    page = await Wire(asgi, cookie=cookie, address=new_address()).connect()
    await page.hydrate(path=path)
    page.event(LOAD, path=path)
    await page.settle()
    return page


@pytest.fixture
async def link(scene: Scene) -> dict[str, str]:
    """An add-money link for Bo, whose data nobody may see."""
    program = scene.wallet.rows("SELECT program_id FROM program_users WHERE user_id = %s", scene.ada.id)[0][0]
    rows.program_user(scene.wallet.owner, program, scene.bo.id)
    return await shop.Shop(scene.wallet, scene.bo.id, scene.ada_key).link()


async def test_an_open_page_of_a_link_is_shown_its_top_up_and_nothing_else(
    asgi: ASGIApp, scene: Scene, link: dict[str, str], no_event_limit: None
) -> None:
    cookie = await shop.opened(link)
    page = await _open_page(asgi, f"/link/{shop.token_of(link)}", cookie)
    assert '"shows_rx_state_":"wizard"' in page.heard
    top_up_id = await paying.begin(
        await shop.payer_of(link, cookie), REQUEST, expected_amount=Decimal("11.25"), review="r"
    )
    await _look()  # Another browser has started the top-up.
    await page.settle()
    assert top_up_id in page.heard
    await scene.wallet.deliver(scene.bo, top_up_id)
    page.received.clear()
    await _look()
    await page.settle()
    assert '"kind":"settled"' in page.heard
    # Another top-up of the same person, which this browser must not see.
    page.received.clear()
    other = await scene.wallet.created(scene.bo, fiat_amount="8765")
    await scene.wallet.deliver(scene.bo, other["id"], amount="99.5")
    await _look()
    await page.settle()
    assert other["id"] not in page.heard
    assert scene.leaks(page.heard) == []
    assert scene.bo.id not in page.heard
    await page.close()


@pytest.mark.usefixtures("no_event_limit")
@pytest.mark.parametrize("has_full", [True, False])
async def test_the_pages_of_a_person_who_is_signed_in_are_read_for_them_and_not_for_a_link(
    asgi: ASGIApp,
    scene: Scene,
    link: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    has_full: bool,
) -> None:
    """The person's narrow session, which knows no name, is used only if there is no full session."""
    seen: list[object] = []

    async def note(_tab: object, latest: Latest) -> bool:
        seen.append(type(latest.viewer))
        return True

    pages = [await _open_page(asgi, f"/link/{shop.token_of(link)}", await shop.opened(link))]
    if has_full:
        home = await Wire(asgi, cookie=await scene.cookie_of(scene.bo), address=new_address()).connect()
        await home.hydrate(path="/home")
        pages.append(home)
    monkeypatch.setattr(push, "catch_up", note)
    await _look()
    assert seen == [Viewer, Viewer] if has_full else seen == [Payer]
    for page in pages:
        await page.close()


async def test_a_revoked_link_leads_its_open_pages_away(
    asgi: ASGIApp, scene: Scene, link: dict[str, str], no_event_limit: None
) -> None:
    path = f"/link/{shop.token_of(link)}"
    page = await _open_page(asgi, path, await shop.opened(link))
    await _look()
    await page.settle()
    assert AGAIN not in page.heard, "it stays open while the link works"
    answer = await shop.Shop(scene.wallet, scene.bo.id, scene.ada_key).ask("DELETE", f"/{link['id']}")
    assert answer.status_code == 204
    page.received.clear()
    await _look()
    await page.settle()
    assert AGAIN in page.heard
    page.event(AGAIN, path=path)  # as the browser then does
    page.event(LOAD, path=path)
    await page.settle()
    assert "This link was withdrawn" in page.heard
    assert '"is_narrow_rx_state_":false' in page.heard
    await page.close()
