"""How often passwords can be guessed; and an attacker's guesses do not lock the owner out."""

import asyncio
import secrets
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from limits import RateLimitItemPerMinute

from onramp_app.accounts import accounts, devices, sessions
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.config import get_settings
from onramp_app.domain.errors import InvalidCredentials, RateLimited, ValidationFailed
from onramp_app.recovery import addresses, requests
from onramp_app.recovery import passwords as recovery_passwords
from onramp_app.sign_in import sign_in
from onramp_app.throttle import throttle
from tests.mailed import secret_in
from tests.people import PASSWORD, sign_up
from tests.redis_server import RedisServer

DAY = 86_400
HOME, STRANGER = "203.0.113.7", "198.51.100.9"


@dataclass
class Clock:
    """The clock of the counters, in seconds."""

    now: float


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(time.time())
    monkeypatch.setattr(time, "time", lambda: clock.now)
    throttle.forget()
    return clock


async def _moments_of_a_tireless_guesser(clock: Clock, rules: throttle.Guesses) -> list[float]:
    """Guess whenever allowed for a day and a half; return the times, in seconds since the first guess."""
    began, moments = clock.now, []
    while clock.now < began + 1.5 * DAY:
        try:
            await throttle.attempt_guess(rules, "account", "address")
        except RateLimited as error:
            clock.now += error.retry_after_seconds
        else:
            moments.append(clock.now - began)
            clock.now += 0.5
    return moments


def _most_within(moments: list[float], seconds: float) -> int:
    return max(bisect_left(moments, start + seconds) - bisect_left(moments, start) for start in moments)


async def test_a_tireless_guesser_gets_ten_in_five_minutes_then_doubling_waits_and_a_hundred_a_day(
    clock: Clock,
) -> None:
    moments = await _moments_of_a_tireless_guesser(clock, throttle.SIGN_IN)
    assert _most_within(moments, 300) == 10
    assert 80 <= _most_within(moments, DAY) <= 100
    # The waits between rounds of ten are 5, 10, 20, 40 … minutes.
    for rounds in range(1, 9):
        assert 0 <= moments[10 * rounds] - 300 * (2**rounds - 1) < 30, rounds


async def test_without_the_doubling_a_guesser_has_thousands(clock: Clock) -> None:
    """The control: only the rule of five minutes."""
    flat = (RateLimitItemPerMinute(10, 5, namespace="flat"),)
    moments = await _moments_of_a_tireless_guesser(clock, throttle.Guesses(flat, flat))
    assert _most_within(moments, 300) == 10
    assert _most_within(moments, DAY) > 2_000


async def test_refused_attempts_do_not_use_up_the_day(clock: Clock) -> None:
    for _ in range(10):
        await throttle.attempt_guess(throttle.SIGN_IN, "account", "address")
    for _ in range(200):
        with pytest.raises(RateLimited):
            await throttle.attempt_guess(throttle.SIGN_IN, "account", "address")
    clock.now += 301
    await throttle.attempt_guess(throttle.SIGN_IN, "account", "address")


# With accounts


@pytest.fixture
async def ada(database: str) -> BrowserSession:
    return await sign_up(sessions.open_browser, Client(HOME))


async def _try(email: str, password: str, address: str, *, device: str = "") -> str:
    cookie = f"device={device}" if device else ""
    client = Client(address, cookie_header=cookie)
    try:
        await sign_in.sign_in(email, password, client, sessions.open_browser)
    except InvalidCredentials:
        return "wrong"
    except RateLimited:
        return "refused"
    return "in"


async def _storm(email: str, attempts: int) -> list[str]:
    """Guess `attempts` times, from many different addresses."""
    return [await _try(email, "not-this-one", f"198.51.{n // 250}.{n % 250}") for n in range(attempts)]


async def test_strangers_everywhere_are_stopped_and_the_owner_signs_in_on_a_known_device(
    ada: BrowserSession,
) -> None:
    email = ada.viewer.email
    answers = await _storm(email, 130)
    assert answers == ["wrong"] * 100 + ["refused"] * 30
    assert await _try(email, PASSWORD, HOME) == "refused", "anybody could be meant"
    assert await _try(email, PASSWORD, HOME, device=ada.device_cookie_value) == "in"
    assert await _try(email, PASSWORD, "198.51.0.1", device=ada.device_cookie_value) == "in", "anywhere"


async def test_without_known_devices_the_owner_would_be_shut_out(
    ada: BrowserSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control for the test above."""
    monkeypatch.setattr(devices.Device, "is_known_to", lambda *_: False)
    await _storm(ada.viewer.email, 101)
    assert await _try(ada.viewer.email, PASSWORD, HOME, device=ada.device_cookie_value) == "refused"


async def test_strangers_do_not_keep_out_who_has_just_set_a_new_password(
    ada: BrowserSession, database: str
) -> None:
    email = ada.viewer.email
    await _storm(email, 101)
    assert await _try(email, PASSWORD, HOME) == "refused", "the control: before that"
    await requests.ask(email, Client(HOME))
    await requests.answer_some()
    with psycopg.connect(database) as owner:
        link = secret_in(owner, "reset_password", to=email)
    await recovery_passwords.reset(link, "marble-teapot-92", Client(HOME))
    device = ada.device_cookie_value
    assert await _try(email, "marble-teapot-92", HOME, device=device) == "in", "no device is known any more"


async def test_a_known_device_is_counted_by_itself(ada: BrowserSession) -> None:
    email, device = ada.viewer.email, ada.device_cookie_value
    assert [await _try(email, "no", HOME, device=device) for _ in range(11)] == ["wrong"] * 10 + ["refused"]
    assert await _try(email, PASSWORD, HOME, device=device) == "refused"
    assert await _try(email, PASSWORD, HOME) == "in", "neither the address nor the account was counted"


async def test_a_crowd_in_the_same_network_does_not_shut_out_a_known_device(ada: BrowserSession) -> None:
    for number in range(300):
        await _try(f"p{number}@example.com", "no", HOME)
    assert await _try("other@example.com", "no", HOME) == "refused"
    assert await _try(ada.viewer.email, PASSWORD, HOME, device=ada.device_cookie_value) == "in"


@pytest.mark.usefixtures("production_password_cost")
async def test_a_burst_of_strangers_leaves_a_known_device_its_turn(ada: BrowserSession) -> None:
    burst = [
        asyncio.create_task(_try(f"p{number}@example.com", "no", f"198.51.100.{number}"))
        for number in range(80)
    ]
    await asyncio.sleep(0.05)
    assert await _try(ada.viewer.email, PASSWORD, HOME, device=ada.device_cookie_value) == "in"
    assert (await asyncio.gather(*burst)).count("refused") > 20, "the control: others found no place"


async def test_an_account_that_does_not_exist_is_stopped_at_the_same_attempts(ada: BrowserSession) -> None:
    unknown = f"p{secrets.token_hex(5)}@example.com"
    same_place = [
        [await _try(email, "no", STRANGER, device=ada.device_cookie_value if email == unknown else "")
         for _ in range(12)]
        for email in (ada.viewer.email, unknown)
    ]  # fmt: skip
    assert same_place[0] == same_place[1] == ["wrong"] * 10 + ["refused"] * 2
    assert await _storm(ada.viewer.email, 110) == await _storm(unknown, 110)


async def test_a_success_forgets_the_failures_of_its_place_and_not_those_of_strangers(
    ada: BrowserSession,
) -> None:
    email = ada.viewer.email
    await _storm(email, 95)
    assert await _try(email, PASSWORD, HOME) == "in"
    assert (await _storm(email, 10)).count("wrong") == 5


async def test_many_sign_ins_of_the_owner_are_no_guesses(ada: BrowserSession) -> None:
    places = [await _try(ada.viewer.email, PASSWORD, f"198.51.100.{n % 250}") for n in range(120)]
    assert set(places) == {"in"}


async def _known(session: BrowserSession) -> tuple[devices.Device, tuple[str, str]]:
    """Return the device of a session's browser, and the stored credentials of its account."""
    device = devices.read_device(f"device={session.device_cookie_value}")
    kept = await sign_in._find(session.viewer.email)
    assert device is not None
    assert kept is not None
    return device, kept


async def test_a_changed_password_ends_the_known_devices(ada: BrowserSession) -> None:
    device, kept = await _known(ada)
    assert device.is_known_to(*kept)
    await accounts.change_password(ada.viewer, PASSWORD, new_password="marble-teapot-92")
    changed = await sign_in._find(ada.viewer.email)
    assert changed is not None
    assert not device.is_known_to(*changed)


async def test_a_change_of_the_secret_key_forgets_no_device_while_the_one_before_is_set(
    ada: BrowserSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, kept = await _known(ada)
    before = get_settings().secret_key.get_secret_value()
    for previous, is_known in ((before, True), ("", False)):
        monkeypatch.setenv("SECRET_KEY", "n" * 48)
        monkeypatch.setenv("SECRET_KEY_PREVIOUS", previous)
        get_settings.cache_clear()
        assert device.is_known_to(*kept) is is_known


async def test_a_device_is_forgotten_after_half_a_year(
    ada: BrowserSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, kept = await _known(ada)
    now = datetime.now(UTC)
    for days, is_known in ((179, True), (181, False)):
        monkeypatch.setattr(devices.clock, "now", lambda later=now + timedelta(days=days): later)
        assert device.is_known_to(*kept) is is_known


async def test_the_current_password_is_guessed_in_rounds_too(clock: Clock) -> None:
    assert 80 <= _most_within(await _moments_of_a_tireless_guesser(clock, throttle.PASSWORD), DAY) <= 100


async def test_a_thief_who_guesses_in_a_stolen_session_does_not_keep_the_owner_from_changing_the_password(
    ada: BrowserSession,
) -> None:
    email = ada.viewer.email
    owned = await sign_in.sign_in(email, PASSWORD, Client(HOME), sessions.open_browser)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await accounts.change_password(ada.viewer, "no", new_password="marble-teapot-92")
    with pytest.raises(RateLimited):
        await accounts.change_password(ada.viewer, PASSWORD, new_password="marble-teapot-92")
    await accounts.change_password(owned.viewer, PASSWORD, new_password="marble-teapot-92")


async def test_a_right_password_with_a_weak_new_one_is_no_guess(ada: BrowserSession) -> None:
    for _ in range(11):
        with pytest.raises(ValidationFailed):
            await accounts.change_password(ada.viewer, PASSWORD, new_password="password1")
    await accounts.change_password(ada.viewer, PASSWORD, new_password="marble-teapot-92")


async def test_a_right_password_with_an_address_that_cannot_be_used_is_no_guess(ada: BrowserSession) -> None:
    for _ in range(9):
        with pytest.raises(ValidationFailed):
            await addresses.change(ada.viewer, "no address", PASSWORD)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await accounts.change_password(ada.viewer, "no", new_password="marble-teapot-92")
    await accounts.change_password(ada.viewer, PASSWORD, new_password="marble-teapot-92")


# With a Redis that goes down


@pytest.fixture
async def shared_counters(
    database: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisServer]:
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    get_settings.cache_clear()
    throttle.forget()
    yield redis_server
    throttle.forget()


async def _timed(attempt: Callable[[], object]) -> float:
    began = time.perf_counter()
    await attempt()  # type: ignore[misc]
    return time.perf_counter() - began


async def test_processes_with_a_redis_count_together(
    shared_counters: RedisServer, ada: BrowserSession
) -> None:
    answers = []
    for _ in range(12):
        throttle.forget()  # as another process, which knows only what Redis knows
        answers.append(await _try(ada.viewer.email, "no", STRANGER))
    assert answers == ["wrong"] * 10 + ["refused"] * 2


async def test_when_redis_dies_signing_in_becomes_slow_and_strict_but_neither_open_nor_closed(
    shared_counters: RedisServer, ada: BrowserSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = ada.viewer.email
    assert await _timed(lambda: _try(email, PASSWORD, HOME)) < throttle.ALONE_DELAY_SECONDS / 2
    shared_counters.kill()
    assert await _timed(lambda: _try(email, PASSWORD, HOME)) >= throttle.ALONE_DELAY_SECONDS
    assert await _timed(lambda: _try("nobody@example.com", "no", HOME)) >= throttle.ALONE_DELAY_SECONDS
    monkeypatch.setattr(throttle, "ALONE_DELAY_SECONDS", 0)
    answers = [await _try(email, "no", STRANGER) for _ in range(7)]
    assert answers == ["wrong"] * 5 + ["refused"] * 2, "not open"
    assert await _try(email, PASSWORD, HOME) == "in", "not closed"
    assert await _try(email, PASSWORD, STRANGER, device=ada.device_cookie_value) == "in"


async def test_when_redis_comes_back_it_counts_again_and_nothing_is_slow(
    shared_counters: RedisServer, ada: BrowserSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_ASK_REDIS_AGAIN_SECONDS", 0.1)
    shared_counters.kill()
    await _try(ada.viewer.email, "no", STRANGER)
    shared_counters.start()
    await asyncio.sleep(0.2)
    answers = [await _try(ada.viewer.email, "no", STRANGER) for _ in range(11)]
    assert answers == ["wrong"] * 10 + ["refused"]
    assert await _timed(lambda: _try(ada.viewer.email, PASSWORD, HOME)) < throttle.ALONE_DELAY_SECONDS / 2
