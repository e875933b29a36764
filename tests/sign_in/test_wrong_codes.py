"""How often codes can be guessed; and somebody who has only the password locks nobody out."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from onramp_app.accounts import sessions
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import InvalidCredentials, RateLimited
from onramp_app.factors import factors
from onramp_app.factors.errors import WrongCode
from onramp_app.recovery import passwords, requests, securing
from onramp_app.sign_in import second_factor, sign_in
from tests.factors.authenticator import code_of
from tests.mailed import mailed, secret_in
from tests.people import PASSWORD, sign_up

HOME, STRANGER = "203.0.113.7", "198.51.100.9"
WRONG = "000000"


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as owner:
        yield owner


@pytest.fixture
async def ada(database: str) -> BrowserSession:
    return await sign_up(sessions.open_browser, Client(HOME))


async def _recovery_codes(session: BrowserSession) -> list[str]:
    """Add an authenticator app in a session, and return its ten recovery codes."""
    made = await second_factor.begin_authenticator(session.viewer)
    added = await second_factor.confirm_authenticator(
        session.viewer, code_of(made.secret), client=Client(HOME)
    )
    return list(added.recovery_codes)


async def _enter(email: str, code: str, address: str = STRANGER, *, device: str = "") -> BrowserSession:
    client = Client(address, cookie_header=f"device={device}" if device else "")
    return await sign_in.sign_in(email, PASSWORD, client, sessions.open_browser, code=code)


async def _try(email: str, code: str, *, device: str = "") -> str:
    try:
        await _enter(email, code, device=device)
    except WrongCode:
        return "wrong"
    except RateLimited:
        return "refused"
    return "in"


async def test_who_has_the_password_alone_does_not_keep_the_owner_out_of_a_known_device(
    ada: BrowserSession,
) -> None:
    email, codes = ada.viewer.email, await _recovery_codes(ada)
    known = (await _enter(email, codes[0], HOME)).device_cookie_value
    assert [await _try(email, WRONG) for _ in range(12)] == ["wrong"] * 10 + ["refused"] * 2
    assert await _try(email, codes[1]) == "refused", "the control: on another device, anybody could be meant"
    assert await _try(email, codes[1], device=known) == "in"


async def test_the_owner_hears_once_a_day_that_somebody_has_the_password(
    ada: BrowserSession, owner: psycopg.Connection[Any]
) -> None:
    email, codes = ada.viewer.email, await _recovery_codes(ada)
    known = (await _enter(email, codes[0], HOME)).device_cookie_value

    def told() -> int:
        return mailed(owner).count(("factor_refused", email))

    assert await _try(email, WRONG, device=known) == "wrong"
    assert told() == 0, "a slip of the owner"
    await asyncio.gather(*(_try(email, WRONG) for _ in range(4)))
    assert told() == 1
    owner.execute("UPDATE outbox_mails SET created_at = created_at - interval '25 hours'")
    await _try(email, WRONG)
    assert told() == 2
    address = owner.execute(
        "SELECT details::json ->> 'address' FROM outbox_mails WHERE kind = 'factor_refused'"
    ).fetchone()
    assert address == (STRANGER,)
    await securing.secure(secret_in(owner, "factor_refused", to=email), Client(HOME))
    with pytest.raises(InvalidCredentials):
        await _enter(email, codes[1], device=known)  # the known password is of no use any more


async def test_a_form_that_is_sent_twice_frightens_nobody(
    ada: BrowserSession, owner: psycopg.Connection[Any]
) -> None:
    email, codes = ada.viewer.email, await _recovery_codes(ada)
    assert sorted(await asyncio.gather(*(_try(email, codes[0]) for _ in range(2)))) == ["in", "wrong"]
    assert ("factor_refused", email) not in mailed(owner)
    owner.execute("UPDATE auth_sessions SET created_at = created_at - interval '31 seconds'")
    assert await _try(email, codes[0]) == "wrong"
    assert ("factor_refused", email) in mailed(owner), "the control: a used code later"


async def test_a_known_device_has_as_few_attempts_of_its_own(ada: BrowserSession) -> None:
    email, codes = ada.viewer.email, await _recovery_codes(ada)
    known = (await _enter(email, codes[0], HOME)).device_cookie_value
    answers = [await _try(email, WRONG, device=known) for _ in range(11)]
    assert answers == ["wrong"] * 10 + ["refused"]
    assert await _try(email, codes[1]) == "in", "nothing was counted for others"


async def test_devices_from_before_the_factor_are_counted_together(
    ada: BrowserSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who already had the password may have created any number of known devices."""
    email = ada.viewer.email
    made = [(await _enter(email, "", STRANGER)).device_cookie_value for _ in range(6)]
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=2))
    await _recovery_codes(await _enter(email, "", HOME))
    answers = [await _try(email, WRONG, device=made[n % 6]) for n in range(24)]
    assert answers == ["wrong"] * 10 + ["refused"] * 14
    assert await _try(email, WRONG) == "wrong", "apart from strangers"


async def test_a_session_is_counted_by_itself(ada: BrowserSession) -> None:
    email, codes = ada.viewer.email, await _recovery_codes(ada)
    assert [await _try(email, WRONG) for _ in range(11)][-1] == "refused"
    await second_factor.prove(ada.viewer, PASSWORD, codes[0])
    for _ in range(10):
        with pytest.raises(WrongCode):
            await second_factor.prove(ada.viewer, PASSWORD, WRONG)
    with pytest.raises(RateLimited):
        await second_factor.prove(ada.viewer, PASSWORD, codes[1])


async def test_a_right_password_with_a_wrong_code_is_no_guess_of_the_password(ada: BrowserSession) -> None:
    codes = await _recovery_codes(ada)
    for _ in range(9):
        with pytest.raises(WrongCode):
            await second_factor.prove(ada.viewer, PASSWORD, WRONG)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await second_factor.prove(ada.viewer, "no", WRONG)
    await second_factor.prove(ada.viewer, PASSWORD, codes[0])


async def test_who_has_the_password_alone_does_not_use_up_the_attempts_of_a_mailed_link(
    ada: BrowserSession, owner: psycopg.Connection[Any]
) -> None:
    email, codes = ada.viewer.email, await _recovery_codes(ada)
    owner.execute("UPDATE users SET email_confirmed_at = now()")
    assert [await _try(email, WRONG) for _ in range(11)][-1] == "refused"
    await requests.ask(email, Client(HOME))
    await requests.answer_some()
    link = secret_in(owner, "reset_password", to=email)
    for _ in range(9):
        with pytest.raises(WrongCode):
            await passwords.reset(link, "marble-teapot-92", Client(HOME), code=WRONG)
    await passwords.reset(link, "marble-teapot-92", Client(HOME), code=codes[0])


async def test_every_sign_in_has_needed_a_factor_since_the_oldest_was_added(ada: BrowserSession) -> None:
    async with transaction() as db:
        assert await factors.guarded_since(db, ada.viewer.user_id) is None
    before = clock.now()
    await _recovery_codes(ada)
    async with transaction() as db:
        since = await factors.guarded_since(db, ada.viewer.user_id)
    assert since is not None
    assert before <= since <= clock.now()
