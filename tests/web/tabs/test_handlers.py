"""The pinned list of handlers that pages can call: anybody can call them, with any arguments."""

import pytest
import reflex as rx
from reflex_base.registry import RegistrationContext

from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.onramp_app import app
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.session import PrivateState, SessionState
from tests.web.conftest import cookie_of

OURS = {
    "ActivityState.between",
    "ActivityState.choose",
    "ActivityState.load",
    "ActivityState.search",
    "ActivityState.show_more",
    "ConfirmState.confirm",
    "ConfirmState.load",
    "ConfirmationState.send_again",
    "EmailState.change",
    "EntranceState.load",
    "EntranceState.propose_currency",
    "EntranceState.renew_passkey_request",
    "FactorsState.add_passkey",
    "FactorsState.begin_app",
    "FactorsState.begin_passkey",
    "FactorsState.cancel_app",
    "FactorsState.confirm_app",
    "FactorsState.load",
    "FactorsState.passkey_failed",
    "FactorsState.prove",
    "FactorsState.prove_by_passkey",
    "FactorsState.remove",
    "FactorsState.renew_codes",
    "ForgotState.ask",
    "ForgotState.load",
    "HomeState.choose_currency",
    "HomeState.load",
    "LandingState.load",
    "LinkState.load",
    "OutboxState.load",
    "OutboxState.look",
    "OwnDataState.ask",
    "OwnDataState.close",
    "OwnDataState.keep",
    "OwnDataState.load",
    "OwnDataState.prepare",
    "PrivateState.enter",
    "ProfileState.change_password",
    "ProfileState.end_all_sessions",
    "ProfileState.end_other_sessions",
    "ProfileState.end_session",
    "ProfileState.load",
    "ProfileState.make_operator_code",
    "ProfileState.renew_passkey_request",
    "ProfileState.save_details",
    "ProfileState.save_mails",
    "ProfileState.show_newest_events",
    "ProfileState.show_older_events",
    "ReceiptState.load",
    "ReceiptState.look_up",
    "ResetState.load",
    "ResetState.set_password",
    "SessionState.show_failure",
    "TopUpPageState.cancel",
    "TopUpPageState.check_now",
    "TopUpPageState.load",
    "TopUpPageState.widget_said",
    "StoryState.load",
    "VerifyState.close",
    "VerifyState.load",
    "VerifyState.start",
    "VisitState.load",
    "WizardState.ask_provider",
    "WizardState.begin",
    "WizardState.cancel_open",
    "WizardState.choose_asset",
    "WizardState.choose_currency",
    "WizardState.choose_method",
    "WizardState.choose_network",
    "WizardState.choose_quick",
    "WizardState.go_on",
    "WizardState.load",
    "WizardState.refresh",
    "WizardState.start_another",
    "WizardState.typed",
    "WizardState.typed_receive",
}
REFLEXS = {
    "FrontendEventExceptionState.handle_frontend_exception",
    "OnLoadInternalState.on_load_internal",
    "OnLoadInternalState.set_is_hydrated",
    "State.hydrate",
    "State.hydrate_and_load",
    "State.set_is_hydrated",
    "UpdateVarsInternalState.update_vars_internal",
}
PUBLIC = {
    "ConfirmState.confirm",
    "ConfirmState.load",
    "ForgotState.ask",
    "ForgotState.load",
    "ReceiptState.load",
    "ReceiptState.look_up",
    "ResetState.load",
    "ResetState.set_password",
    "EntranceState.load",
    "EntranceState.propose_currency",
    "EntranceState.renew_passkey_request",
    "LandingState.load",
    "LinkState.load",
    "OutboxState.load",
    "OutboxState.look",
    "SessionState.show_failure",
}


def _handlers() -> dict[str, type[rx.State]]:
    with app.set_contexts():
        registered = RegistrationContext.get().event_handlers.values()
        return {
            f"{r.states[0].__name__}.{r.handler.fn.__name__}": r.states[0]
            for r in registered
            if r.handler.fn.__name__ != "setvar"
        }


def test_the_public_handlers_are_these_and_no_others():
    assert set(_handlers()) == OURS | REFLEXS


async def test_the_setter_that_every_state_has_is_refused_even_to_its_person(new_account, open_tab):
    tab = open_tab(cookie_of(await new_account()))
    await tab.hydrate()
    for state in (SessionState, ProfileState, rx.State):
        assert not (await tab.send(state.event_handlers["setvar"], "is_hydrated", True)).went_on


def test_every_handler_of_ours_needs_a_person_unless_it_is_named_here():
    unguarded = {name for name, state in _handlers().items() if not issubclass(state, PrivateState)}
    assert unguarded - REFLEXS == PUBLIC


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DatabaseUnavailable("It takes no changes."), "we can't reach our database right now."),
        (KeyError("a fault of ours"), "Something on our side failed."),
    ],
)
async def test_what_escapes_a_handler_is_told_in_words(database, open_tab, error, words):
    tab = open_tab(path="/login")
    await tab.hydrate()
    assert words in await tab.fail(error)
