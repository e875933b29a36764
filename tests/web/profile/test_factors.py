"""Second factors on the profile: values shown only once are not lost, and re-authentication when needed."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from onramp_app.accounts import sessions
from onramp_app.domain import clock
from onramp_app.sign_in import second_factor
from onramp_app.web.profile.factors_state import FactorsState
from onramp_app.web.profile.own_data_state import OwnDataState
from onramp_app.web.profile.state import ProfileState
from tests.factors.authenticator import SoftPasskey, code_of
from tests.people import PASSWORD
from tests.web.conftest import BROWSER, cookie_of

NAME = FactorsState.get_full_name()
HANDLERS = FactorsState.event_handlers


@pytest.fixture
async def ada(new_account: Callable[..., Awaitable[Any]]) -> Any:
    return await new_account()


@pytest.fixture
async def tab(ada: Any, open_tab: Callable[..., Any]) -> Any:
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    return tab


async def add_app(ada: Any) -> None:
    made = await second_factor.begin_authenticator(ada.viewer)
    await second_factor.confirm_authenticator(ada.viewer, code_of(made.secret), client=BROWSER)


async def add_passkey(ada: Any) -> SoftPasskey:
    passkey = SoftPasskey()
    options = json.loads(await second_factor.passkey_creation_options(ada.viewer))
    answer = json.dumps(passkey.create(options))
    await second_factor.add_passkey(ada.viewer, answer, name="x", client=BROWSER)
    return passkey


def age_proof(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE auth_sessions SET proved_at = now() - interval '16 minutes'")


def shown(sent: Any, name: str) -> list[Any]:
    """Return the values that a delta sets a page variable to, empty if it does not."""
    return [value for key, value in sent.delta.get(NAME, {}).items() if key.startswith(name)]


async def begin_app(tab: Any) -> str:
    (secret,) = (value for value in shown(await tab.send(HANDLERS["begin_app"]), "app_secret") if value)
    return str(secret).replace(" ", "")


async def test_recovery_codes_stay_when_finish_is_pressed_twice(tab: Any) -> None:
    form = {"app_code": code_of(await begin_app(tab))}
    (codes,) = shown(await tab.send(HANDLERS["confirm_app"], form), "new_codes")
    assert len(codes) == 10
    second = await tab.send(HANDLERS["confirm_app"], form)
    assert shown(second, "new_codes") == []
    assert (await tab.state(FactorsState)).app_code_problem == ""


async def test_a_phone_that_comes_back_from_the_app_can_still_enter_its_code(tab: Any, ada: Any) -> None:
    secret = await begin_app(tab)
    await tab.hydrate()  # The phone suspended the page while its owner was in the app, and the socket closed.
    await tab.send(HANDLERS["load"])
    page = await tab.state(FactorsState)
    assert (page.is_adding_app, page.app_secret) == (True, "")
    await tab.send(HANDLERS["confirm_app"], {"app_code": code_of(secret)})
    assert (await second_factor.list_factors(ada.viewer)).recovery_codes_left == 10


async def test_an_app_that_is_given_up_is_not_asked_for_again(tab: Any) -> None:
    await begin_app(tab)
    await tab.send(HANDLERS["cancel_app"])
    assert not (await tab.state(FactorsState)).is_adding_app
    await tab.send(HANDLERS["load"])
    assert not (await tab.state(FactorsState)).is_adding_app


async def test_an_app_that_was_begun_long_ago_is_not_asked_for_again(tab: Any, database: str) -> None:
    await begin_app(tab)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE authenticators SET made_at = made_at - interval '16 minutes'")
    await tab.send(HANDLERS["load"])
    assert not (await tab.state(FactorsState)).is_adding_app


async def test_an_old_proof_is_asked_for_before_the_password_changes(
    tab: Any, ada: Any, database: str
) -> None:
    await add_app(ada)
    age_proof(database)
    form = {"current_password": PASSWORD, "new_password": "another calm evening 7"}
    await tab.send(ProfileState.event_handlers["change_password"], form)
    page = await tab.state(ProfileState)
    assert (page.needs_proof, page.password_changed) == (True, False)


@pytest.mark.parametrize("asks", [HANDLERS["begin_app"], OwnDataState.event_handlers["prepare"]])
async def test_each_proof_by_passkey_counts_also_on_a_page_that_stood_open(
    tab: Any, ada: Any, database: str, monkeypatch: pytest.MonkeyPatch, asks: Any
) -> None:
    passkey = await add_passkey(ada)
    await tab.send(HANDLERS["load"])
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=16))
    for _ in range(2):
        age_proof(database)
        await tab.send(asks)
        page = await tab.state(ProfileState)
        assert page.needs_proof
        answer = json.dumps(passkey.get(json.loads(page.passkey_request)))
        await tab.send(HANDLERS["prove_by_passkey"], answer)
        assert not (await tab.state(ProfileState)).needs_proof


@pytest.mark.parametrize("is_somebody_there", [False, True])
async def test_the_timer_of_the_card_keeps_no_session_alive(
    tab: Any, ada: Any, monkeypatch: pytest.MonkeyPatch, *, is_somebody_there: bool
) -> None:
    real, gone = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + gone[0])
    for _ in range(8):
        gone[0] += timedelta(minutes=5)
        await tab.send(ProfileState.event_handlers["renew_passkey_request"])
        if is_somebody_there:
            await tab.send(ProfileState.event_handlers["show_newest_events"])
    is_open = await sessions.resolve_cookie_header(cookie_of(ada)) is not None
    assert is_open == is_somebody_there
