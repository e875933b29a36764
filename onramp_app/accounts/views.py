"""Frozen views of accounts: who is signed in, where, and what happened to an account.

Pages keep views pickled between events, so they are made of primitives only and hold no secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from onramp_app.db.personal import Part


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


class Owner(Protocol):
    """Whose money is read: a person who is signed in, or one whom a program of the operator's knows."""

    @property
    def user_id(self) -> str:
        """The id of the account."""

    @property
    def display_currency(self) -> str:
        """ISO 4217, what balances are valued in."""


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


# All that is held about a person here, for their file, without what proves a sign-in or opens a link.
ACCOUNT = Part(
    name="account",
    shows={
        "id": "users.id",
        "email": "users.email",
        "email_confirmed_at": "users.email_confirmed_at",
        "display_name": "users.display_name",
        "country": "users.country",
        "display_currency": "users.display_currency",
        "language": "users.language",
        "role": "users.role",
        "kyc_status": "users.kyc_status",
        "kyc_tier": "users.kyc_tier",
        "frozen_at": "users.frozen_at",
        "muted_mails": "users.muted_mails",
        "created_at": "users.created_at",
        "updated_at": "users.updated_at",
    },
    source="users",
    whose="users.id = :user_id",
    order=("users.id",),
)
PARTS = (
    Part(
        name="sessions",
        shows={
            "id": "auth_sessions.id",
            "kind": "auth_sessions.kind",
            "device": "auth_sessions.device",
            "address": "auth_sessions.address",
            "created_at": "auth_sessions.created_at",
            "last_seen_at": "auth_sessions.last_seen_at",
            "proved_at": "auth_sessions.proved_at",
            "expires_at": "auth_sessions.expires_at",
            "revoked_at": "auth_sessions.revoked_at",
            "end_reason": "auth_sessions.end_reason",
        },
        source="auth_sessions",
        whose="auth_sessions.user_id = :user_id",
        order=("auth_sessions.id",),
    ),
    Part(
        name="mailed_links",
        shows={
            "purpose": "account_links.purpose",
            "email": "account_links.email",
            "created_at": "account_links.created_at",
            "expires_at": "account_links.expires_at",
            "ended_at": "account_links.ended_at",
        },
        source="account_links",
        whose="account_links.user_id = :user_id",
        order=("account_links.created_at", "account_links.secret_hash"),
    ),
)
