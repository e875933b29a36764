"""Frozen views of second factors, without anything that proves one."""

from dataclasses import dataclass, field
from datetime import datetime

from onramp_app.db.personal import Part


@dataclass(frozen=True, slots=True)
class FactorView:
    """One second factor of an account. `kind` is a word of `FactorKind`; `name` is the person's own."""

    factor_id: str
    kind: str
    name: str
    made_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewAuthenticator:
    """A secret for an authenticator app: base32 to type, and the address that a QR code holds."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


# All that is held about a person here, for their file. No secret, key or hash is in it.
PARTS = (
    Part(
        name="authenticators",
        shows={
            "id": "authenticators.id",
            "made_at": "authenticators.made_at",
            "confirmed_at": "authenticators.confirmed_at",
            "last_used_at": "authenticators.last_used_at",
        },
        source="authenticators",
        whose="authenticators.user_id = :user_id",
        order=("authenticators.id",),
    ),
    Part(
        name="passkeys",
        shows={
            "id": "passkeys.id",
            "name": "passkeys.name",
            "is_backed_up": "passkeys.is_backed_up",
            "made_at": "passkeys.made_at",
            "last_used_at": "passkeys.last_used_at",
        },
        source="passkeys",
        whose="passkeys.user_id = :user_id",
        order=("passkeys.id",),
    ),
    Part(
        name="recovery_codes",
        shows={
            "made_at": "recovery_codes.made_at",
            "used_at": "recovery_codes.used_at",
        },
        source="recovery_codes",
        whose="recovery_codes.user_id = :user_id",
        order=("recovery_codes.code_hash",),
    ),
    Part(
        name="factor_resets",
        shows={
            "asked_at": "factor_resets.asked_at",
            "due_at": "factor_resets.due_at",
            "ended_at": "factor_resets.ended_at",
            "is_done": "factor_resets.is_done",
        },
        source="factor_resets",
        whose="factor_resets.user_id = :user_id",
        order=("factor_resets.id",),
    ),
)
