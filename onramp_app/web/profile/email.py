"""The email address on `/profile`: whether it is confirmed, and changing it."""

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain.errors import EmailTaken, InvalidCredentials, RateLimited, ValidationFailed
from onramp_app.factors.errors import OtpRequired, WrongCode
from onramp_app.recovery import addresses
from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.forms import code_field, password_field, text_field
from onramp_app.web.tabs.confirmation import ConfirmationState
from onramp_app.web.tabs.session import PrivateState, SessionState, to_login
from onramp_app.web.words.forms import text_of


class EmailState(PrivateState):
    """What came of a change of the address."""

    sent_to: str = ""
    email_problem: str = ""
    password_problem: str = ""
    asks_code: bool = False
    code_problem: str = ""
    form_number: int = 0  # Counts up when the form is to be emptied.

    @rx.event
    async def change(self, form: dict[str, object]) -> EventSpec | None:
        """Mail a link to the new address. Nothing changes until that is opened."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self.sent_to = self.email_problem = self.password_problem = ""  # nosec B105  # nothing is wrong
        self.code_problem = ""
        new_email = text_of(form, "new_email").strip()
        try:
            await addresses.change(
                viewer, new_email, text_of(form, "email_password"), code=text_of(form, "email_code")
            )
        except OtpRequired:
            self.asks_code = True
        except WrongCode:
            self.code_problem = _("This code is wrong or was used before. Enter the one shown now.")
        except InvalidCredentials:
            self.password_problem = _("This isn't your current password.")
        except ValidationFailed:
            self.email_problem = _("Enter another email address, such as ada@example.com.")
        except EmailTaken:
            self.email_problem = _("An account with this email exists.")
        except RateLimited:
            self.password_problem = _("Too many attempts. Wait a few minutes and try again.")
        else:
            self.sent_to = new_email
            self.form_number += 1
            self.asks_code = False
        return None


def email_section() -> rx.Component:
    """Return the section about the person's address."""
    return rx.el.section(
        rx.el.h2(_("Email address"), class_name="heading", id="email-heading"),
        rx.el.p(SessionState.person.email, class_name="mt-1 break-words"),
        rx.el.div(
            rx.cond(
                SessionState.person.is_email_confirmed,
                rx.el.p(_("Confirmed."), class_name="soft small"),
                rx.el.div(
                    rx.el.p(_("Not confirmed yet."), class_name="soft small"),
                    rx.cond(
                        ConfirmationState.is_sent,
                        notice(_("We've sent you a link. It works for 3 days."), kind="good"),
                        rx.el.button(
                            _("Send the link again"),
                            type="button",
                            on_click=ConfirmationState.send_again,
                            class_name="button button-quiet button-slim",
                        ),
                    ),
                    rx.cond(ConfirmationState.problem != "", notice(ConfirmationState.problem, kind="bad")),
                    class_name="grid justify-items-start gap-3",
                ),
            ),
            class_name="mt-1 mb-5",
        ),
        rx.el.form(
            text_field(
                _("New email address"),
                "new_email",
                message=EmailState.email_problem,
                hint=_("We send a link to the new address. From your old one you can undo this for 7 days."),
                type="email",
                required=True,
                max_length=254,
                auto_complete="off",
                input_mode="email",
            ),
            password_field(
                _("Your password"),
                "email_password",
                autocomplete="current-password",
                message=EmailState.password_problem,
            ),
            rx.cond(
                EmailState.asks_code,
                code_field("email_code", message=EmailState.code_problem, required=True, auto_focus=True),
            ),
            rx.cond(
                EmailState.sent_to != "",
                notice(
                    _("Open the email that we've sent to the new address. Until then nothing changes."),
                    kind="good",
                ),
            ),
            rx.el.div(
                rx.el.button(_("Change address"), type="submit", class_name="button button-quiet"),
                class_name="pt-1",
            ),
            on_submit=EmailState.change,
            key=EmailState.form_number,
            class_name="grid gap-5",
        ),
        aria_labelledby="email-heading",
        class_name="card",
    )
