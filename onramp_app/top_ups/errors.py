"""What keeps a person from adding money, as facts with the codes of the public contract."""

from onramp_app.domain.errors import ApplicationError


class AccountFrozen(ApplicationError):
    """An operator froze the account: nothing new is begun."""

    status, code, title = 403, "account_frozen", "The account is frozen"


class KycRequired(ApplicationError):
    """The person has to be verified first; `extra` holds `next_step`: `action` (`NextStep`) and `url`."""

    status, code, title = 403, "kyc_required", "Verify yourself first"


class EmailNotConfirmed(ApplicationError):
    """The person has not confirmed their email address, and has to before anything is bought."""

    status, code, title = 403, "email_not_confirmed", "Confirm your email address first"


class TierTooLow(KycRequired):
    """The amount is more than the person's tier allows, and a higher tier would allow it.

    `extra` holds `tier`, the one that would, `next_step`, and `min` and `max` of what is possible now.
    """


class NotCancelable(ApplicationError):
    """A payment was claimed, or the top-up has ended."""

    status, code, title = 409, "not_cancelable", "This top-up cannot be canceled"


class TooManyOpenTopUps(ApplicationError):
    """The person has as many open top-ups as one may have at a time."""

    status, code, title = 409, "too_many_open_top_ups", "Too many open top-ups"


class QuoteChanged(ApplicationError):
    """A fresh quote is more than 1 % away from what was expected; `extra` holds it as `quote`."""

    status, code, title = 409, "quote_changed", "The quote has changed"
