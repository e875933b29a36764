"""Frozen views of rows, made of primitives only: what pages remember and the API answers with.

Pages keep them pickled between events, so this module and the names in it never move, and nothing
secret may stand in them.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person, as of one read of the session and the account.

    `country` is ISO 3166-1 alpha-2 or None when not told; `display_currency` is ISO 4217; `role`,
    `kyc_status` and `kyc_tier` are the words of `domain.accounts`.
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
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionView:
    """One place where an account is signed in. `device` is what it calls itself, not a proof."""

    session_id: str
    kind: str
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    is_current: bool
