"""Frozen views of accounts: who is signed in, where, and what happened to an account.

Pages keep views pickled between events, so they are made of primitives only and hold no secret."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person, as of one read of the session and the account.

    `country` is ISO 3166-1 alpha-2 or None when not given; `display_currency` is ISO 4217; `role`,
    `kyc_status` and `kyc_tier` are the words of `accounts.words`.
    """

    user_id: str
    session_id: str
    email: str
    display_name: str
    country: str | None
    display_currency: str
    language: str
    role: str
    kyc_status: str
    kyc_tier: str
    is_email_confirmed: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionView:
    """One place where an account is signed in. `device` is the User-Agent, which proves nothing."""

    session_id: str
    kind: str
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class SecurityEventView:
    """One thing that happened to an account; `kind` is a word of `SecurityEventKind`.

    `device` and `address` are empty where no session of the account caused the event, or none is kept.
    """

    kind: str
    at: datetime
    device: str
    address: str
