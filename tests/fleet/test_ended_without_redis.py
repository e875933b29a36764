"""A session ends while Redis, which holds the states of its tabs, is down: the tabs leave once it is back."""

import asyncio

import pytest

from onramp_app.accounts import sessions
from onramp_app.web.tabs.push import LOOK_EVERY_SECONDS
from tests.fleet.conftest import Pair
from tests.fleet.test_ended_sessions import LEFT, another_session, first_session, open_tabs

WITHIN_SECONDS = LOOK_EVERY_SECONDS + 5


async def _end_while_away(pair: Pair, trials: int) -> None:
    """Kill Redis `trials` times, each time ending a session with open tabs.

    Raises `TimeoutError` if a tab stays.
    """
    owner = await first_session()
    for _ in range(trials):
        session = await another_session(owner)
        tabs = await open_tabs(session, pair.urls)
        pair.redis.kill()
        await sessions.end_session(owner.viewer.user_id, session.viewer.session_id)
        await asyncio.sleep(0.7)  # In the meantime the application has looked for the tabs again.
        pair.redis.start()
        try:
            await asyncio.gather(*(tab.read_until(LEFT, timeout_seconds=WITHIN_SECONDS) for tab in tabs))
        finally:
            await asyncio.gather(*(tab.close() for tab in tabs))


@pytest.mark.parametrize("trials", [pytest.param(trials, marks=pytest.mark.full) for trials in (1, 50)])
async def test_tabs_leave_when_redis_is_back(pair: Pair, trials: int) -> None:
    await _end_while_away(pair, trials)


@pytest.mark.full
@pytest.mark.parametrize("broken_pair", ["tests.fleet.resigned_instance:app"], indirect=True)
async def test_a_tab_that_is_led_away_only_once_stays(broken_pair: Pair) -> None:
    """The control: the session's end is not retried."""
    with pytest.raises(TimeoutError):
        await _end_while_away(broken_pair, 3)
