"""Signing in by passkey: a form that the browser fills with a passkey's answer, and sends."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.parts.passkeys import PasskeyRequest
from onramp_app.web.parts.places import api_action

_FORM_ID, _BUTTON_ID, _PROBLEM_ID = "passkey-form", "passkey-button", "passkey-problem"


def passkey_sign_in(*, next_path: rx.Var[str] | str, is_offered_in_fields: bool) -> rx.Component:
    """Return the button of the passkey. A browser without passkeys does not show it.

    Args:
        next_path: the page that the person wants.
        is_offered_in_fields: whether the browser also offers passkeys in the field of the email.
    """
    return rx.el.form(
        PasskeyRequest.create(
            request=EntranceState.passkey_request,
            button_id=_BUTTON_ID,
            problem_id=_PROBLEM_ID,
            form_id=_FORM_ID,
            is_offered_in_fields=is_offered_in_fields,
            on_old=EntranceState.renew_passkey_request,
        ),
        rx.el.input(type="hidden", name="passkey"),
        rx.el.input(type="hidden", name="next", value=next_path, read_only=True),
        # Invisible, the button keeps its place: what stands below would move when it appears.
        rx.el.button(
            _("Use a passkey"), type="button", id=_BUTTON_ID, class_name="button button-quiet invisible"
        ),
        rx.el.p(
            _("The passkey wasn't used. Try again, or continue without it."),
            id=_PROBLEM_ID,
            hidden=True,
            role="status",
            class_name="soft small",
        ),
        id=_FORM_ID,
        action=api_action("/api/auth/session"),
        method="post",
        on_submit=None,
        class_name="grid gap-3",
    )
