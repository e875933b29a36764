"""The words of accounts, and the lists that their fields are chosen from."""

import re
from enum import StrEnum
from functools import lru_cache

from babel import Locale
from babel.numbers import get_territory_currencies

from onramp_app import texts

LANGUAGES = tuple(texts.LANGUAGES)  # the languages the pages exist in
DEFAULT_CURRENCY = "USD"

# CLDR also names territories that ISO 3166-1 does not assign: reserved, private and test codes.
_NOT_ISO_3166 = frozenset(
    ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ")
)


class Role(StrEnum):
    """What an account may do; each role includes the ones before."""

    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"


class KycStatus(StrEnum):
    """Where the verification of a person stands."""

    NONE = "none"
    STARTED = "started"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    RESUBMIT = "resubmit"


class KycTier(StrEnum):
    """How far a person is verified."""

    NONE = "none"
    BASIC = "basic"
    FULL = "full"


class SessionKind(StrEnum):
    """What holds the session: a browser's cookie, or a program's pair of tokens."""

    BROWSER = "browser"
    PROGRAM = "program"


class EndReason(StrEnum):
    """Why a session ended before its time."""

    SIGNED_OUT = "signed_out"
    ENDED_BY_USER = "ended_by_user"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event  # nosec B105
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - the name of an event  # nosec B105
    RENEWED = "renewed"
    ROLE_CHANGED = "role_changed"
    FACTORS_CHANGED = "factors_changed"


class LinkPurpose(StrEnum):
    """What a mailed link is for."""

    CONFIRM_EMAIL = "confirm_email"
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL = "undo_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a link  # nosec B105
    NOT_ME = "not_me"
    CLAIM_ACCOUNT = "claim_account"


class SecurityEventKind(StrEnum):
    """A security event that a person sees of their account."""

    SIGNED_IN = "signed_in"
    NEW_DEVICE = "new_device"
    SIGNED_OUT = "signed_out"
    SESSION_ENDED = "session_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event  # nosec B105
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - the name of an event  # nosec B105
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of an event  # nosec B105
    EMAIL_CONFIRMED = "email_confirmed"
    EMAIL_CHANGED = "email_changed"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    ACCOUNT_SECURED = "account_secured"
    ROLE_CHANGED = "role_changed"
    OPERATOR_CODE_MADE = "operator_code_made"
    OPERATOR_CODE_REFUSED = "operator_code_refused"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_REFUSED = "factor_refused"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    FACTORS_RESET_ASKED = "factors_reset_asked"
    FACTORS_RESET_CANCELED = "factors_reset_canceled"
    FACTORS_RESET = "factors_reset"
    DATA_EXPORTED = "data_exported"
    ACCOUNT_CLAIMED = "account_claimed"


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """Return the assigned ISO 3166-1 alpha-2 codes."""
    codes = (str(code) for code in Locale("en").territories if re.fullmatch("[A-Z]{2}", str(code)))
    return frozenset(codes) - _NOT_ISO_3166


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """Return the ISO 4217 codes of the currencies that are legal tender somewhere today."""
    return frozenset(code for country in countries() for code in get_territory_currencies(country))


def currency_of_country(country: str | None) -> str:
    """Return the currency to show amounts in when a person from `country` did not choose one."""
    tender = get_territory_currencies(country) if country else []
    return tender[0] if tender else DEFAULT_CURRENCY
