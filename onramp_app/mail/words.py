"""The kinds of mails: which choice of the person switches each off, and for how long it is worth sending."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class MailKind(StrEnum):
    """The kind of a mail. Those not in `CHOICE_OF` cannot be switched off, such as notices about security."""

    CONFIRM_EMAIL = "confirm_email"
    CONFIRM_NEW_EMAIL = "confirm_new_email"
    EMAIL_CHANGED = "email_changed"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a mail  # nosec B105
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a mail  # nosec B105
    NEW_DEVICE = "new_device"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - the name of a mail  # nosec B105
    TOP_UP_SETTLED = "top_up_settled"
    TOP_UP_IN_REVIEW = "top_up_in_review"
    TOP_UP_RELEASED = "top_up_released"
    TOP_UP_FAILED = "top_up_failed"
    TOP_UP_REVERSED = "top_up_reversed"
    FACTORS_CHANGED = "factors_changed"
    FACTORS_RESET_ASKED = "factors_reset_asked"
    ACCOUNT_CLOSED = "account_closed"
    CLAIM_ACCOUNT = "claim_account"
    ENDPOINT_DISABLED = "endpoint_disabled"
    FACTOR_REFUSED = "factor_refused"


class Choice(StrEnum):
    """A group of mails that people can switch on or off."""

    MONEY_ADDED = "money_added"
    REVIEWS = "reviews"
    FAILED_PAYMENTS = "failed_payments"


# A reversal is always notified, so it has no choice.
CHOICE_OF: Mapping[MailKind, Choice] = {
    MailKind.TOP_UP_SETTLED: Choice.MONEY_ADDED,
    MailKind.TOP_UP_IN_REVIEW: Choice.REVIEWS,
    MailKind.TOP_UP_RELEASED: Choice.REVIEWS,
    MailKind.TOP_UP_FAILED: Choice.FAILED_PAYMENTS,
}

RESET_LIFE = timedelta(minutes=30)
CONFIRM_LIFE = timedelta(days=3)
CHANGE_LIFE = timedelta(days=1)
UNDO_LIFE = timedelta(days=7)
CLAIM_LIFE = timedelta(days=7)
# No mail ever reaches this domain (RFC 2606 section 2), and nobody can register with it. Closed accounts and
# accounts that nobody has claimed yet have an address there.
NOWHERE = "@account.invalid"

_NOTICE = timedelta(days=3)
# A mail with an expired link is useless, and a notice that comes a week late only frightens.
WORTH_SENDING: Mapping[MailKind, timedelta] = {
    MailKind.CONFIRM_EMAIL: CONFIRM_LIFE,
    MailKind.CONFIRM_NEW_EMAIL: CHANGE_LIFE,
    MailKind.RESET_PASSWORD: RESET_LIFE,
    MailKind.EMAIL_CHANGED: UNDO_LIFE,
    MailKind.EMAIL_CHANGE_UNDONE: UNDO_LIFE,
    MailKind.FACTORS_RESET_ASKED: timedelta(days=1),
    MailKind.ACCOUNT_CLOSED: _NOTICE,
    MailKind.ENDPOINT_DISABLED: _NOTICE,
    MailKind.CLAIM_ACCOUNT: CLAIM_LIFE,
    **dict.fromkeys(
        (
            MailKind.PASSWORD_CHANGED,
            MailKind.FACTORS_CHANGED,
            MailKind.FACTOR_REFUSED,
            MailKind.NEW_DEVICE,
            MailKind.REFRESH_TOKEN_REUSED,
        ),
        UNDO_LIFE,
    ),
    **dict.fromkeys(
        (
            MailKind.TOP_UP_SETTLED,
            MailKind.TOP_UP_IN_REVIEW,
            MailKind.TOP_UP_RELEASED,
            MailKind.TOP_UP_FAILED,
            MailKind.TOP_UP_REVERSED,
        ),
        _NOTICE,
    ),
}
