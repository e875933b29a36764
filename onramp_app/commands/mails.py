"""Commands about mails: whether they arrive."""

from typing import Annotated

import typer

from onramp_app.accounts.fields import clean_email
from onramp_app.commands.running import NOT_DONE, NOT_UNDERSTOOD, AsJson, answer, ask_provider, fail, refusals
from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.ids import new_id
from onramp_app.mail import letters
from onramp_app.mail.delivery import MailPutOff, MailRefused, ServerAway
from onramp_app.mail.messages import message_of, read
from onramp_app.mail.sender import delivery_of

app = typer.Typer(help="Emails that the wallet sends.", no_args_is_help=True)


@app.callback()
def _mails() -> None:
    """Group the commands."""


@app.command("send-test")
def send_test(
    address: Annotated[str, typer.Argument(help="Where the email goes.")], as_json: AsJson = False
) -> None:
    """Send one mail now, past the outbox, and say what the mail server answers."""
    with refusals():
        is_real = get_settings().smtp_url is not None
    try:
        recipient = clean_email(address)
    except ValueError as error:
        fail(str(error), status=NOT_UNDERSTOOD, code="not_understood")
    try:
        ask_provider(lambda: _send(recipient))
    except (ServerAway, MailPutOff) as error:
        fail(f"The email was not sent: {error}.", status=NOT_DONE, code="mail_not_sent")
    except MailRefused as error:
        fail(f"The email was not sent: {error}.", code="mail_refused")
    where = "the mail server took it" if is_real else "SMTP_URL is not set, so it is a file in .data/mails"
    answer(as_json, {"sent": True, "to": recipient}, f"An email to {recipient} was sent: {where}.")


async def _send(recipient: str) -> None:
    message = message_of(read(letters.trial()), recipient=recipient, message_id=new_id(), at=clock.now())
    async with delivery_of(get_settings()).opened() as send:
        await send(message)
