"""Frozen views of programs, their keys and their people."""

from dataclasses import dataclass
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
    """A person as the program knows them that opened the account; nothing of what they say of themselves."""

    user_id: str
    external_id: str
    country: str | None
    display_currency: str
    created_at: datetime
