"""The reasons why a person cannot add or cancel money, as errors with the codes of the public contract."""

from onramp_app.domain.errors import ApplicationError


class AccountFrozen(ApplicationError):
    """An operator froze the account, so no top-up can be begun."""

    status, code, title = 403, "account_frozen", "The account is frozen"


class KycRequired(ApplicationError):
    """The person has to be verified first; `extra` holds `next_step`: `action` (`NextStep`) and `url`."""

    status, code, title = 403, "kyc_required", "Verify yourself first"


class EmailNotConfirmed(ApplicationError):
    """The person must confirm their email address before they can begin a top-up."""

    status, code, title = 403, "email_not_confirmed", "Confirm your email address first"


class TierTooLow(KycRequired):
    """The amount is more than the person's tier allows, and a higher tier would allow it.

    `extra` holds `tier` (the tier that would), `next_step`, and the `min` and `max` that are possible now.
    """


class NotCancelable(ApplicationError):
    """The top-up cannot be canceled: a payment was claimed, or the top-up has ended."""

    status, code, title = 409, "not_cancelable", "This top-up cannot be canceled"


class TooManyOpenTopUps(ApplicationError):
    """The person already has the maximum number of open top-ups."""

    status, code, title = 409, "too_many_open_top_ups", "Too many open top-ups"


class QuoteChanged(ApplicationError):
    """A fresh quote differs by more than 1 % from the expected amount; `extra` holds it as `quote`."""

    status, code, title = 409, "quote_changed", "The quote has changed"
