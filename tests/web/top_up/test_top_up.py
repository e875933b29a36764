"""`/add-money/[id]`: who may see it, what wakes the reader, and that no message to the page moves money."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
import pytest

from onramp_app.db.moments import database_time
from onramp_app.domain import clock
from onramp_app.fleet import channels
from onramp_app.provider_orders import freshness
from onramp_app.top_ups import usual_time
from onramp_app.wallet.latest import Latest
from onramp_app.web.top_up import state as state_module
from onramp_app.web.top_up.state import TopUpPageState
from onramp_app.web.words.amounts import moment_text
from tests import rows
from tests.web.conftest import HOSTILE, cookie_of

LOAD = TopUpPageState.event_handlers["load"]
CHECK = TopUpPageState.event_handlers["check_now"]
SAID = TopUpPageState.event_handlers["widget_said"]
CANCEL = TopUpPageState.event_handlers["cancel"]
# Both dialects of the provider's SDK, and the other messages that trigger a read.
WORTH_A_LOOK = [
    *(f"ONRAMP_WIDGET_TX_{word}" for word in ("INIT", "FINDING", "PURCHASING", "SENDING", "COMPLETED")),
    *(f"ONRAMP_WIDGET_TX_{word}_FAILED" for word in ("FINDING", "PURCHASING", "SENDING")),
    *(f"ONRAMP_WIDGET_TX_{word}" for word in ("INITIATED", "SUCCESSFUL", "FAILED")),
    *(f"ONRAMP_KYC_{word}" for word in ("INITIATED", "SUCCESSFUL", "FAILED")),
    "ONRAMP_WIDGET_TX_SELLING",
    "ONRAMP_WIDGET_CLOSE_REQUEST",
    "ONRAMP_WIDGET_CLOSE_REQUEST_CONFIRMED",
]
HOSTILE_KINDS = [
    *HOSTILE,
    {"type": "ONRAMP_WIDGET_TX_COMPLETED"},
    "settled",
    "onramp_widget_tx_completed",
    "ONRAMP_WIDGET_TX_COMPLETED\n",
    "ONRAMP_WIDGET_TX_<script>",
    "ONRAMP_WIDGET_TX_" + "A" * 100_000,
    "ONRAMP_WIDGET_CONTENT_COPIED",
    "ONRAMP_WIDGET_CLOSE_REQUEST_CANCELLED",
]


@dataclass
class Shelf:
    """Top-ups as the services write them, and the announcements that wake the reader."""

    url: str
    owner: psycopg.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.owner = psycopg.connect(self.url, autocommit=True)
        self.owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
        self.owner.execute(f"LISTEN {channels.ORDER_DUE}")

    def top_up(self, user_id: str) -> str:
        top_up_id = rows.top_up(self.owner, user_id)
        rows.widget_session(self.owner, top_up_id)
        return top_up_id

    def change(self, top_up_id: str, **columns: object) -> None:
        changes = ", ".join(f"{name} = %s" for name in columns)
        self.owner.execute(
            f"UPDATE top_ups SET {changes} WHERE id = %s".encode(), (*columns.values(), top_up_id)
        )

    def rows(self) -> list[tuple[object, ...]]:
        return self.owner.execute("SELECT * FROM top_ups ORDER BY id").fetchall()

    def rings(self) -> int:
        """Return how often the reader was woken since the last call."""
        return sum(notice.payload == channels.READ_OPEN for notice in self.owner.notifies(timeout=0.05))


@pytest.fixture
async def shelf(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    usual_time.forget()
    monkeypatch.setattr(state_module, "READ_WITHIN_SECONDS", 0.05)
    shelf = Shelf(database)
    yield shelf
    shelf.owner.close()


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list of seconds to add to the otherwise stopped clock."""
    added: list[float] = []
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=sum(added)))
    return added


async def _own_page(shelf, new_account, open_tab):
    session = await new_account()
    top_up_id = shelf.top_up(session.viewer.user_id)
    tab = open_tab(cookie_of(session), path=f"/add-money/{top_up_id}")
    await tab.hydrate()
    await tab.send(LOAD)
    return session, top_up_id, tab, await tab.state(TopUpPageState)


async def test_the_owner_sees_it_and_the_payment_page(shelf, new_account, open_tab):
    _session, top_up_id, _tab, state = await _own_page(shelf, new_account, open_tab)
    assert (state.page.id, state.page.kind) == (top_up_id, "offered")
    assert state.page.widget_url.startswith("http://localhost:8001/main/buy/")
    assert state.page.widget_origin == "http://localhost:8001"
    assert state.as_of != ""


async def test_somebody_elses_and_an_unknown_one_look_the_same(shelf, new_account, open_tab):
    other = await new_account("Bo")
    bos_top_up = shelf.top_up(other.viewer.user_id)
    tab = open_tab(cookie_of(await new_account()), path="/home")
    await tab.hydrate()
    pages = []
    for wanted in (bos_top_up, "f" * 32, "settled", "%00", "..", "'; DROP TABLE top_ups"):
        tab.connect(tab.root.router_data["headers"]["cookie"], path=f"/add-money/{wanted}")
        await tab.send(LOAD)
        page = (await tab.state(TopUpPageState)).page
        assert page.id == wanted
        pages.append((page.kind, page.title, page.widget_url, page.summary, page.charged))
    assert set(pages) == {("missing", "Top-up not found", "", "", "")}


async def test_nobody_cancels_or_sees_what_is_somebody_elses(shelf, new_account, open_tab):
    bos_top_up = shelf.top_up((await new_account("Bo")).viewer.user_id)
    tab = open_tab(cookie_of(await new_account()), path=f"/add-money/{bos_top_up}")
    await tab.hydrate()
    before = shelf.rows()
    for handler in (LOAD, CANCEL, CHECK):
        await tab.send(handler)
        assert (await tab.state(TopUpPageState)).page.kind == "missing"
    assert shelf.rows() == before


@pytest.mark.parametrize("handler", [LOAD, CHECK, CANCEL, SAID])
async def test_without_a_session_every_handler_leads_to_the_sign_in(shelf, open_tab, handler):
    tab = open_tab(path="/add-money/" + "f" * 32)
    arguments = ("ONRAMP_WIDGET_TX_INIT",) if handler is SAID else ()
    assert "/login" in (await tab.call(handler, *arguments)).leads_to
    assert shelf.rings() == 0


async def test_canceling_ends_the_offer(shelf, new_account, open_tab):
    _session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    assert state.page.can_cancel
    await tab.send(CANCEL)
    assert (state.page.kind, state.page.title) == ("ended", "This top-up was canceled")
    assert (state.page.widget_url, state.page.code) == ("", "")
    await tab.send(CANCEL)  # canceling again changes nothing and says the same
    assert state.page.title == "This top-up was canceled"


async def test_that_nobody_was_charged_rests_on_the_last_read(shelf, new_account, open_tab):
    _session, top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    read_at = clock.now().replace(microsecond=0) + timedelta(seconds=5)
    await freshness.note_read([1], read_at)
    await tab.send(CANCEL)
    assert (state.page.charged, state.page.as_of) == ("You weren't charged.", moment_text(read_at))
    shelf.change(top_up_id, status="expired", charged="unknown", rank=20)
    await tab.send(LOAD)
    assert state.page.as_of == ""


async def test_what_was_claimed_meanwhile_is_not_canceled_and_the_page_says_so(shelf, new_account, open_tab):
    _session, top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    shelf.change(top_up_id, status="awaiting_payment", charged="unknown", rank=20)
    await tab.send(CANCEL)
    assert (state.page.kind, state.page.title) == ("moving", "We're looking for your payment")
    assert "Don't pay again" in state.page.warning


async def test_a_push_changes_the_page_that_is_open(shelf, new_account, open_tab):
    session, top_up_id, _tab, state = await _own_page(shelf, new_account, open_tab)
    shelf.change(top_up_id, status="processing", charged="yes", rank=30)
    await state._catch_up(Latest(session.viewer))
    assert (state.page.kind, state.page.steps[2].state) == ("moving", "now")


async def test_a_push_is_not_for_a_tab_that_shows_another_page(shelf, new_account, open_tab):
    session, top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    before = state.page
    shelf.change(top_up_id, status="processing", charged="yes", rank=30)
    for path in ("/home", "/add-money", "/add-money/", "/activity/" + top_up_id):
        tab.connect(cookie_of(session), path=path)
        await state._catch_up(Latest(session.viewer))
        assert state.page == before


async def test_going_to_another_top_up_forgets_what_was_said_about_the_first(shelf, new_account, open_tab):
    session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    await tab.send(SAID, "ONRAMP_WIDGET_FAILED")
    await tab.send(CHECK)
    assert (state.is_widget_broken, state.reading) == (True, "away")
    tab.connect(cookie_of(session), path=f"/add-money/{shelf.top_up(session.viewer.user_id)}")
    await tab.send(LOAD)
    assert (state.is_widget_broken, state.reading, state.page.kind) == (False, "", "offered")


# What the widget says


async def test_progress_in_the_widget_wakes_the_reader_and_moves_nothing(
    shelf, new_account, open_tab, time_passes
):
    _session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    before, page = shelf.rows(), state.page
    for kind in WORTH_A_LOOK:
        await tab.send(SAID, kind)
        time_passes.append(2)
        assert (shelf.rows(), state.page) == (before, page), kind
        assert shelf.rings() == 1, kind
    assert state.reading == "", "nobody asked for an answer"


async def test_anything_else_is_dropped(shelf, new_account, open_tab):
    _session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    before, page = shelf.rows(), state.page
    for kind in HOSTILE_KINDS:
        await tab.send(SAID, kind)
        assert (shelf.rows(), state.page, state.reading, state.is_widget_broken) == (before, page, "", False)
    assert shelf.rings() == 0


async def test_many_messages_are_one_request_every_two_seconds(shelf, new_account, open_tab, time_passes):
    _session, _top_up_id, tab, _state = await _own_page(shelf, new_account, open_tab)
    for _ in range(20):
        await tab.send(SAID, "ONRAMP_WIDGET_TX_FINDING")
    assert shelf.rings() == 1
    time_passes.append(2)
    await tab.send(SAID, "ONRAMP_WIDGET_TX_FINDING")
    assert shelf.rings() == 1


async def test_messages_about_a_page_without_a_widget_are_dropped(shelf, new_account, open_tab):
    _session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    await tab.send(CANCEL)
    await tab.send(SAID, "ONRAMP_WIDGET_TX_COMPLETED")
    assert (shelf.rings(), state.reading) == (0, "")


async def test_a_widget_that_fails_is_said_until_it_is_ready(shelf, new_account, open_tab):
    _session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    await tab.send(SAID, "ONRAMP_WIDGET_FAILED")
    assert state.is_widget_broken
    await tab.send(SAID, "ONRAMP_WIDGET_READY")
    assert not state.is_widget_broken
    assert shelf.rings() == 0


async def test_check_now_wakes_the_reader_and_says_when_the_provider_last_answered(
    shelf, new_account, open_tab
):
    _session, top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    shelf.change(top_up_id, status="processing", charged="yes", rank=50)
    await tab.send(CHECK)
    assert shelf.rings() == 1
    assert (state.reading, state.answered_at) == ("away", ""), "the provider has never answered"
    assert state.page.kind == "moving"  # what is known by now is shown at once

    answered = await database_time() - timedelta(minutes=5)
    await freshness.note_read([1], answered)
    state._pressed_at = None
    await tab.send(CHECK)
    assert (state.reading, state.answered_at) == ("away", moment_text(answered)), "not when it was tried"

    await freshness.note_read([1], await database_time() + timedelta(seconds=1))
    state._pressed_at = None
    await tab.send(CHECK)
    assert state.reading == "current"


async def test_many_presses_are_one_request_every_two_seconds(shelf, new_account, open_tab, time_passes):
    _session, _top_up_id, tab, _state = await _own_page(shelf, new_account, open_tab)
    for _ in range(20):
        await tab.send(CHECK)
    assert shelf.rings() == 1
    time_passes.append(2)
    await tab.send(CHECK)
    assert shelf.rings() == 1


async def test_who_presses_check_now_just_after_a_message_of_the_widget_is_answered(
    shelf, new_account, open_tab
):
    _session, _top_up_id, tab, state = await _own_page(shelf, new_account, open_tab)
    await tab.send(SAID, "ONRAMP_WIDGET_TX_FINDING")
    await tab.send(CHECK)
    assert state.reading == "away", "the provider has never answered"


async def test_two_pages_of_one_person_ask_each_for_themselves(shelf, new_account, open_tab):
    session, top_up_id, tab, _state = await _own_page(shelf, new_account, open_tab)
    other = open_tab(cookie_of(session), path=f"/add-money/{top_up_id}")
    await other.hydrate()
    await other.send(LOAD)
    await asyncio.gather(tab.send(CHECK), other.send(CHECK))
    assert shelf.rings() == 2
