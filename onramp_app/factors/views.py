"""Frozen views of second factors, without anything that proves one."""

from dataclasses import dataclass, field
from datetime import datetime


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
