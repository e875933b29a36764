"""The second factors on `/profile`, and the card that asks once more who somebody is."""

import reflex as rx

from onramp_app.factors.factors import MAX_CODE_LENGTH
from onramp_app.texts import _
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.forms import code_field, main_button, password_field, text_field
from onramp_app.web.parts.passkeys import PasskeyCreation, PasskeyRequest
from onramp_app.web.parts.qr_code import qr_picture
from onramp_app.web.parts.times import time_of
from onramp_app.web.profile.factors_state import FactorsState
from onramp_app.web.profile.shapes import FactorLine
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.session import SessionState

_BUTTON_ID, _PROBLEM_ID = "proof-passkey", "proof-passkey-problem"


def proof() -> rx.Component:
    """Return the card that asks for the password and the second factor once more."""
    return rx.el.section(
        rx.el.h2(_("Confirm that it's you"), class_name="heading", id="proof"),
        rx.el.p(
            _(
                "You signed in more than 15 minutes ago. We ask again before you change what protects "
                "your money."
            ),
            class_name="soft small mt-1 mb-5",
        ),
        rx.el.form(
            rx.el.input(
                type="text",
                name="username",
                auto_complete="username",
                value=SessionState.person.email,
                read_only=True,
                hidden=True,
            ),
            password_field(
                _("Password"),
                "proof_password",
                autocomplete="current-password",
                message=FactorsState.password_problem,
                auto_focus=True,
            ),
            rx.cond(
                FactorsState.has_factor,
                code_field("proof_code", message=FactorsState.code_problem),
            ),
            rx.el.div(
                main_button(_("Confirm")),
                rx.el.button(
                    _("Use a passkey"),
                    type="button",
                    id=_BUTTON_ID,
                    hidden=True,
                    class_name="button button-quiet",
                ),
                class_name="flex flex-wrap gap-3 pt-1",
            ),
            rx.el.p(
                _("The passkey wasn't used. Try again, or use your password."),
                id=_PROBLEM_ID,
                hidden=True,
                role="status",
                class_name="soft small",
            ),
            on_submit=FactorsState.prove,
            class_name="grid gap-5",
        ),
        PasskeyRequest.create(
            request=rx.cond(FactorsState.has_factor, ProfileState.passkey_request, ""),
            button_id=_BUTTON_ID,
            problem_id=_PROBLEM_ID,
            form_id="",
            is_offered_in_fields=False,
            on_old=ProfileState.renew_passkey_request,
            on_answer=FactorsState.prove_by_passkey,
        ),
        aria_labelledby="proof",
        class_name="card",
    )


def second_factors() -> rx.Component:
    """Return the card that lists the factors, adds and removes them, and shows new recovery codes once."""
    return rx.el.section(
        rx.el.h2(_("Second factor"), class_name="heading", id="factors"),
        rx.el.p(
            rx.cond(
                FactorsState.has_factor,
                _("Your password alone opens nothing."),
                _("With a second factor, somebody who learns your password still can't sign in."),
            ),
            class_name="soft small mt-1 mb-5",
        ),
        rx.el.div(
            rx.cond(FactorsState.problem != "", notice(FactorsState.problem, kind="bad")),
            rx.cond(FactorsState.said != "", notice(FactorsState.said, kind="good")),
            rx.cond(FactorsState.new_codes.length() > 0, _new_codes()),  # type: ignore[attr-defined]
            class_name="grid gap-5 empty:hidden mb-5",
        ),
        rx.cond(
            FactorsState.has_factor,
            rx.el.ul(rx.foreach(FactorsState.lines, _line), class_name="rows mb-5"),
        ),
        rx.cond(FactorsState.is_adding_app, _new_app(), _ways_to_add()),
        PasskeyCreation.create(
            options=FactorsState.passkey_options,
            on_made=FactorsState.add_passkey,
            on_failed=FactorsState.passkey_failed,
        ),
        rx.cond(FactorsState.has_factor, _recovery()),
        aria_labelledby="factors",
        class_name="card",
    )


def _line(line: FactorLine) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(line.name, class_name="font-semibold break-words"),
            rx.el.p(
                filled(_("Added {time}"), time=time_of(line.added_at, is_inside=True)),
                rx.cond(
                    line.used_at != "",
                    rx.el.span(
                        " · ", filled(_("last used {time}"), time=time_of(line.used_at, is_inside=True))
                    ),
                ),
                class_name="soft small mt-0.5",
            ),
            class_name="min-w-0",
        ),
        rx.el.button(
            _("Remove"),
            rx.el.span(" ", line.name, class_name="sr-only"),
            type="button",
            on_click=FactorsState.remove(line.factor_id),  # type: ignore[operator]
            class_name="button button-quiet button-slim flex-none",
        ),
        key=line.factor_id,
        class_name="flex items-center justify-between gap-4",
    )


def _ways_to_add() -> rx.Component:
    return rx.el.div(
        rx.el.button(
            _("Add a passkey"),
            type="button",
            on_click=FactorsState.begin_passkey,
            class_name="button button-quiet",
        ),
        rx.el.button(
            _("Set up an authenticator app"),
            type="button",
            on_click=FactorsState.begin_app,
            class_name="button button-quiet",
        ),
        class_name="flex flex-wrap gap-3",
    )


def _new_app() -> rx.Component:
    return rx.el.div(
        # Shown once: who comes back to the page has the app already, and needs the field below only.
        rx.cond(
            FactorsState.app_secret != "",  # nosec B105  # nothing is shown
            rx.el.div(
                rx.el.p(_("Scan this with your authenticator app. On the same phone, type the key instead.")),
                qr_picture(
                    FactorsState.app_qr_path,
                    FactorsState.app_qr_size,
                    title=_("Code for your authenticator app"),
                ),
                rx.el.p(
                    rx.el.span(_("Key:"), " ", class_name="soft small"),
                    rx.el.code(FactorsState.app_secret, class_name="break-words select-all"),
                ),
                class_name="grid gap-4",
            ),
            rx.el.p(
                _(
                    "Your authenticator app is almost set up. Enter the code that it shows. If the app"
                    " doesn't have the key yet, cancel and set it up again."
                )
            ),
        ),
        rx.el.form(
            text_field(
                _("Code that the app shows"),
                "app_code",
                message=FactorsState.app_code_problem,
                required=True,
                max_length=MAX_CODE_LENGTH,
                auto_complete="one-time-code",
                input_mode="numeric",
                spell_check=False,
            ),
            rx.el.div(
                main_button(_("Finish")),
                rx.el.button(
                    _("Cancel"),
                    type="button",
                    on_click=FactorsState.cancel_app,
                    class_name="button button-quiet",
                ),
                class_name="flex flex-wrap gap-3",
            ),
            on_submit=FactorsState.confirm_app,
            class_name="grid gap-5",
        ),
        class_name="grid gap-4",
    )


def _new_codes() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("Your recovery codes"), class_name="font-semibold"),
        rx.el.p(
            _(
                "Each one signs you in once when you have nothing else. Keep them on paper. "
                "We never show them again."
            ),
            class_name="soft small mt-1",
        ),
        rx.el.ul(
            rx.foreach(
                FactorsState.new_codes,
                lambda code: rx.el.li(rx.el.code(code, class_name="font-mono select-all"), key=code),
            ),
            class_name="mt-3 grid gap-x-6 gap-y-1 sm:grid-cols-2",
        ),
        role="status",
        class_name="notice block",
    )


def _recovery() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("Recovery codes left:"), " ", FactorsState.codes_left, class_name="soft small"),
        rx.el.button(
            _("Make new ones"),
            type="button",
            on_click=FactorsState.renew_codes,
            class_name="button button-quiet button-slim",
        ),
        class_name="mt-5 flex flex-wrap items-center justify-between gap-4 border-t border-(--line) pt-5",
    )
