"""The pages behind mailed links: what they say before and after, and that merely opening one does nothing."""

import pytest

from onramp_app.accounts import sessions
from onramp_app.config import get_settings
from onramp_app.recovery.requests import answer_some
from onramp_app.web.profile.email import EmailState
from onramp_app.web.recovery.state import ConfirmState, ForgotState, ResetState
from onramp_app.web.tabs import holders
from onramp_app.web.tabs.confirmation import ConfirmationState
from onramp_app.web.tabs.session import SessionState
from tests.databases import owner_of
from tests.mailed import mailed, secret_in
from tests.people import PASSWORD
from tests.web.conftest import HOSTILE, cookie_of

NEW = "another calm evening 7"


@pytest.fixture
def owner(database):
    return owner_of(database)


@pytest.fixture
async def ada(new_account):
    return await new_account()


async def test_a_forgotten_password_is_set_by_pressing_the_button(open_tab, owner, ada):
    email = ada.viewer.email
    tab = open_tab(path="/forgot")
    await tab.send(ForgotState.event_handlers["ask"], {"email": email})
    assert (await tab.state(ForgotState)).is_sent
    await answer_some()
    tab.connect("", path=f"/reset#{secret_in(owner, 'reset_password', to=email)}")
    await tab.send(ResetState.event_handlers["load"])
    state = await tab.state(ResetState)
    assert (state.works, state.email) == (True, email)
    await tab.send(ResetState.event_handlers["set_password"], {"new_password": "password"})
    assert (await tab.state(ResetState)).password_problem.startswith("This password is easy to guess")
    done = await tab.send(ResetState.event_handlers["set_password"], {"new_password": NEW})
    assert done.leads_to == "/login?reason=password_reset"
    assert await sessions.resolve_cookie_header(cookie_of(ada)) is None
    await tab.send(ResetState.event_handlers["load"])
    assert not (await tab.state(ResetState)).works


@pytest.mark.parametrize("kind", ["reset_password", "email_changed"])
async def test_the_tab_in_which_somebody_ends_their_own_sessions_says_so(open_tab, owner, ada, kind):
    """As the sessions end, the person's other tabs are redirected to `/login`; this tab shows the result."""
    email = ada.viewer.email
    owner.execute("UPDATE users SET email_confirmed_at = now()")
    tab = open_tab(cookie_of(ada), path="/forgot")
    await tab.hydrate()
    if kind == "reset_password":
        await tab.send(ForgotState.event_handlers["ask"], {"email": email})
        await answer_some()
        page, handler, form = "/reset", ResetState.event_handlers["set_password"], ({"new_password": NEW},)
    else:
        wanted = {"new_email": "new@example.com", "email_password": PASSWORD}
        await tab.send(EmailState.event_handlers["change"], wanted)
        new = open_tab(path=f"/confirm#{secret_in(owner, 'confirm_new_email', to='new@example.com')}")
        await new.send(ConfirmState.event_handlers["confirm"])
        page, handler, form = "/confirm", ConfirmState.event_handlers["confirm"], ()
    tab.connect(cookie_of(ada), path=f"{page}#{secret_in(owner, kind, to=email)}")
    await tab.hydrate()
    assert holders.holder_of(tab.token) is not None
    done = await tab.send(handler, *form)
    assert holders.holder_of(tab.token) is None
    assert (await tab.state(SessionState)).person.email == ""
    if kind == "reset_password":
        assert done.leads_to == "/login?reason=password_reset"
    else:
        assert (await tab.state(ConfirmState)).title == "Your account is safe"


async def test_what_is_said_is_the_same_for_strangers(open_tab, owner, ada):
    tab = open_tab(path="/forgot")
    await tab.send(ForgotState.event_handlers["ask"], {"email": "nobody@example.com"})
    state = await tab.state(ForgotState)
    assert (state.is_sent, state.problem) == (True, "")


async def test_the_banner_is_there_until_the_address_is_confirmed(open_tab, owner, ada, monkeypatch):
    monkeypatch.setenv("REQUIRE_CONFIRMED_EMAIL", "true")
    get_settings.cache_clear()
    tab = open_tab(cookie_of(ada), path="/home")
    await tab.hydrate()
    assert (await tab.state(SessionState)).person.must_confirm_email
    await tab.send(ConfirmationState.event_handlers["send_again"])
    assert (await tab.state(ConfirmationState)).is_sent
    link = open_tab(path=f"/confirm#{secret_in(owner, 'confirm_email', to=ada.viewer.email)}")
    await link.send(ConfirmState.event_handlers["load"])
    state = await link.state(ConfirmState)
    assert (state.works, state.is_done, state.button) == (True, False, "Confirm address")
    assert owner.execute("SELECT email_confirmed_at FROM users").fetchone() == (None,), "opening does nothing"
    await link.send(ConfirmState.event_handlers["confirm"])
    assert (await link.state(ConfirmState)).title == "Your address is confirmed"
    await tab.hydrate()
    assert not (await tab.state(SessionState)).person.must_confirm_email


async def test_the_address_is_changed_from_the_profile_and_undone_from_the_old_mailbox(open_tab, owner, ada):
    email = ada.viewer.email
    owner.execute("UPDATE users SET email_confirmed_at = now()")
    tab = open_tab(cookie_of(ada))
    await tab.hydrate()
    change = EmailState.event_handlers["change"]
    await tab.send(change, {"new_email": "new@example.com", "email_password": "wrong"})
    assert (await tab.state(EmailState)).password_problem
    await tab.send(change, {"new_email": email, "email_password": PASSWORD})
    assert (await tab.state(EmailState)).email_problem
    await tab.send(change, {"new_email": "new@example.com", "email_password": PASSWORD})
    assert (await tab.state(EmailState)).sent_to == "new@example.com"
    for kind, to, title in (
        ("confirm_new_email", "new@example.com", "Your address is confirmed"),
        ("email_changed", email, "Your account is safe"),
    ):
        link = open_tab(path=f"/confirm#{secret_in(owner, kind, to=to)}")
        await link.send(ConfirmState.event_handlers["load"])
        assert (await link.state(ConfirmState)).works
        await link.send(ConfirmState.event_handlers["confirm"])
        assert (await link.state(ConfirmState)).title == title
    assert owner.execute("SELECT email FROM users").fetchone() == (email,)


async def test_a_link_to_set_a_password_confirms_nothing(open_tab, owner, ada):
    tab = open_tab(path="/forgot")
    await tab.send(ForgotState.event_handlers["ask"], {"email": ada.viewer.email})
    await answer_some()
    tab.connect("", path=f"/confirm#{secret_in(owner, 'reset_password', to=ada.viewer.email)}")
    await tab.send(ConfirmState.event_handlers["load"])
    await tab.send(ConfirmState.event_handlers["confirm"])
    state = await tab.state(ConfirmState)
    assert (state.works, state.is_done) == (False, False)


async def test_hostile_arguments_change_nothing(open_tab, owner, ada):
    tab = open_tab(cookie_of(ada), path="/reset#../x")
    await tab.hydrate()
    for argument in HOSTILE:
        await tab.send(ForgotState.event_handlers["ask"], argument)
        await tab.send(ResetState.event_handlers["set_password"], argument)
        await tab.send(EmailState.event_handlers["change"], argument)
    await tab.send(ConfirmState.event_handlers["confirm"])
    assert mailed(owner) == []
    assert await sessions.resolve_cookie_header(cookie_of(ada)) is not None


async def test_no_state_holds_the_secret_of_a_link(open_tab, owner, ada):
    tab = open_tab(path="/forgot")
    await tab.send(ForgotState.event_handlers["ask"], {"email": ada.viewer.email})
    await answer_some()
    secret = secret_in(owner, "reset_password", to=ada.viewer.email)
    tab.connect("", path=f"/reset#{secret}")
    await tab.send(ResetState.event_handlers["load"])
    state = await tab.state(ResetState)
    assert state.works, "the control: the page has found it"
    assert secret not in str({name: value for name, value in state.dict().items() if "router" not in name})
