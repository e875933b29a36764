"""A payment announced by a webhook that no read has shown: by one rule, all pages say that we are looking."""

from dataclasses import dataclass

import pytest

from onramp_app.web.activity.state import ActivityState
from onramp_app.web.activity.story_state import StoryState
from onramp_app.web.home.state import HomeState
from onramp_app.web.top_up.state import TopUpPageState
from tests import rows
from tests.web.conftest import Tab, cookie_of

NOT_CHARGED = "You weren't charged."
UNKNOWN = "We don't know yet whether you were charged. Don't pay again yet."


@dataclass
class Pages:
    """The four pages that show one top-up of a person."""

    tab: Tab
    cookie: str
    top_up_id: str

    async def load(self, state, path: str):
        self.tab.connect(self.cookie, path=path)
        await self.tab.send(state.event_handlers["load"])
        return await self.tab.state(state)

    async def titles(self) -> tuple[str, str, bool]:
        """Return the title, the answer to "was I charged", and whether another payment is offered."""
        page = (await self.load(TopUpPageState, f"/add-money/{self.top_up_id}")).page
        story = (await self.load(StoryState, f"/activity/{self.top_up_id}")).story
        assert story.charged == page.charged
        return page.title, page.charged, page.can_start_again or bool(page.widget_url) or bool(story.again)

    async def tags(self) -> set[str]:
        """Return the tags of the top-up on the details, list and home pages."""
        story = (await self.load(StoryState, f"/activity/{self.top_up_id}")).story
        (row,) = (await self.load(ActivityState, "/activity")).rows
        (recent,) = (await self.load(HomeState, "/home")).recent
        assert (row.tag, row.direction) == (recent.tag, recent.direction)
        return {story.tag, row.tag}

    async def cards(self) -> list[tuple[str, str]]:
        return [(one.title, one.text) for one in (await self.load(HomeState, "/home")).open_cards]


@pytest.fixture
def pages_of(new_account, open_tab, books):
    async def make(status: str) -> Pages:
        ada = await new_account()
        top_up_id = rows.top_up(books.owner, ada.viewer.user_id, status=status)
        rows.widget_session(books.owner, top_up_id)
        tab = open_tab(cookie_of(ada), path="/home")
        await tab.hydrate()
        return Pages(tab, cookie_of(ada), top_up_id)

    return make


def begin_to_look(books, top_up_id: str) -> None:
    books.owner.execute(
        "INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, due_at,"
        " hinted_top_up_id, version, applied_version)"
        " VALUES (%s, 'simulator', 'onramp', 'buy', '1', now(), now(), %s, 0, 0)",
        ("d" * 32, top_up_id),
    )


def become_a_case(books, top_up_id: str) -> None:
    books.owner.execute("UPDATE provider_orders SET due_at = NULL")
    books.open_case("not_found", top_up_id=top_up_id, order_row="d" * 32)


@pytest.mark.parametrize("status", ["created", "awaiting_payment", "canceled", "failed"])
async def test_every_page_says_that_we_look_until_it_is_found_or_its_case_is_closed(books, pages_of, status):
    pages = await pages_of(status)
    before = (await pages.titles(), await pages.tags(), await pages.cards())
    assert before[0][1].startswith("You weren't charged")
    for become in (begin_to_look, become_a_case):
        become(books, pages.top_up_id)
        title, charged, offers_another = await pages.titles()
        assert title.lower().endswith("looking for your payment")
        assert (charged, offers_another) == (UNKNOWN, False)
        assert await pages.tags() == {"Looking for payment"}
        is_open = status in ("created", "awaiting_payment")
        assert [one for one, _ in await pages.cards()] == ["Looking for your ₹1,000"] * is_open
    books.close_cases(top_up_id=pages.top_up_id)
    assert (await pages.titles(), await pages.tags(), await pages.cards()) == before


async def test_the_card_of_one_that_nobody_claimed_does_not_say_that_the_provider_waits(books, pages_of):
    pages = await pages_of("created")
    begin_to_look(books, pages.top_up_id)
    ((_, text),) = await pages.cards()
    expected = "The provider reported a payment that we can't see yet. Don't pay again yet."
    assert text == expected
