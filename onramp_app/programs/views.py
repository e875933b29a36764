"""Frozen views of programs, their keys and their people."""

from dataclasses import dataclass, field
from datetime import datetime

from onramp_app.programs.words import Scope


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the operator's, as the key of one request proved it. It is never a person.

    `id` stays the same however often the key is replaced: what a program has done is known by it. `key_id`
    is which key was used and `address` from where, for the audit log.
    """

    id: str
    name: str
    key_id: str
    scopes: frozenset[Scope]
    address: str


@dataclass(frozen=True, slots=True)
class ProgramPerson:
    """A person as the program knows them that opened the account; nothing of what they say of themselves.

    `is_claimed` says whether the person has proved an address and set a password. `balance_low` is the
    amount (a decimal string) and the asset below which the program wants to hear of their balance.
    """

    user_id: str
    external_id: str
    country: str | None
    display_currency: str
    is_claimed: bool
    created_at: datetime
    balance_low: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as operators see it. Without `networks` it works from anywhere, without `ends_at` for good."""

    key_id: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    requests_per_minute: int
    made_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None
    works: bool


@dataclass(frozen=True, slots=True)
class ProgramView:
    """A program with its keys, the newest first."""

    program_id: str
    name: str
    created_at: datetime
    keys: tuple[KeyView, ...]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. `key` is shown this once; the database keeps its hash."""

    program_id: str
    name: str
    key_id: str
    key: str = field(repr=False)
