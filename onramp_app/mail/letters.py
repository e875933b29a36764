"""Maps each kind of mail to the function that makes its letter."""

from collections.abc import Callable, Mapping

from onramp_app.mail import account_letters, top_up_letters
from onramp_app.mail.letter import Details, Letter, app_name, whom_to_ask
from onramp_app.mail.words import MailKind
from onramp_app.texts import _


def letter_of(kind: MailKind, details: Details, *, secret: str = "") -> Letter:
    """Return the letter of a mail, in the current language.

    Args:
        kind: the kind of the mail.
        details: the values stored with it in the outbox.
        secret: the secret of its link, where it has one.
    """
    return _LETTERS[kind](details, secret)


_LETTERS: Mapping[MailKind, Callable[[Details, str], Letter]] = {
    MailKind.CONFIRM_EMAIL: account_letters.confirm_email,
    MailKind.CONFIRM_NEW_EMAIL: account_letters.confirm_new_email,
    MailKind.EMAIL_CHANGED: account_letters.email_changed,
    MailKind.EMAIL_CHANGE_UNDONE: account_letters.email_change_undone,
    MailKind.RESET_PASSWORD: account_letters.reset_password,
    MailKind.PASSWORD_CHANGED: account_letters.password_changed,
    MailKind.FACTORS_CHANGED: account_letters.factors_changed,
    MailKind.FACTORS_RESET_ASKED: account_letters.factors_reset_asked,
    MailKind.FACTOR_REFUSED: account_letters.factor_refused,
    MailKind.NEW_DEVICE: account_letters.new_device,
    MailKind.REFRESH_TOKEN_REUSED: account_letters.refresh_token_reused,
    MailKind.CLAIM_ACCOUNT: account_letters.claim_account,
    MailKind.ACCOUNT_CLOSED: account_letters.account_closed,
    MailKind.ENDPOINT_DISABLED: account_letters.endpoint_disabled,
    MailKind.TOP_UP_SETTLED: top_up_letters.top_up_settled,
    MailKind.TOP_UP_IN_REVIEW: top_up_letters.top_up_in_review,
    MailKind.TOP_UP_RELEASED: top_up_letters.top_up_released,
    MailKind.TOP_UP_FAILED: top_up_letters.top_up_failed,
    MailKind.TOP_UP_REVERSED: top_up_letters.top_up_reversed,
}


def trial() -> Letter:
    """Return the letter that an operator sends to test whether mails arrive."""
    return Letter(
        subject=_("Emails from {app} arrive").format(app=app_name()),
        title=_("Emails from {app} arrive").format(app=app_name()),
        paragraphs=(
            _("An operator sent this email to see whether emails arrive. There's nothing you need to do."),
        ),
        after=whom_to_ask(),
    )
