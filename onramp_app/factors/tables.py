"""The tables of second factors."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlmodel import Field

from onramp_app.db.columns import Row, length, moment, octets, words
from onramp_app.domain.ids import new_id
from onramp_app.factors.words import MAX_NAME


def _owner() -> Column[str]:
    return Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


class Authenticator(Row, table=True):
    """One authenticator app (RFC 6238). An account has at most one that counts, and one being set up.

    `sealed_secret` can be read with `SECRET_KEY` only. `last_counter` names the newest 30 seconds of which a
    code was accepted: neither that code nor an older one is accepted again.
    """

    __tablename__ = "authenticators"
    __table_args__ = (
        octets("sealed_secret", 29, 128),
        CheckConstraint("last_counter >= 0", name="last_counter"),
        CheckConstraint("confirmed_at IS NOT NULL OR last_used_at IS NULL", name="used_once_confirmed"),
        Index(
            "uq_authenticators_confirmed",
            "user_id",
            unique=True,
            postgresql_where=text("confirmed_at IS NOT NULL"),
        ),
        Index(
            "uq_authenticators_begun", "user_id", unique=True, postgresql_where=text("confirmed_at IS NULL")
        ),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    user_id: str = Field(sa_column=_owner())
    sealed_secret: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    made_at: datetime = Field(sa_column=moment())
    confirmed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_counter: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    last_used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class Passkey(Row, table=True):
    """One passkey (WebAuthn level 3): the public half of a pair of keys, which proves nothing by being read.

    `sign_count` is the authenticator's own count, 0 where it does not count.
    """

    __tablename__ = "passkeys"
    __table_args__ = (
        octets("credential_id", 1, 1023),
        octets("public_key", 1, 2048),
        length("name", 1, MAX_NAME),
        CheckConstraint("sign_count >= 0", name="sign_count"),
        Index(None, "user_id"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    user_id: str = Field(sa_column=_owner())
    credential_id: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    public_key: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    sign_count: int = Field(sa_column=Column(BigInteger, nullable=False))
    is_backed_up: bool = Field(sa_column=Column(Boolean, nullable=False))
    name: str = Field(sa_column=words())
    made_at: datetime = Field(sa_column=moment())
    last_used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class RecoveryCode(Row, table=True):
    """One of ten codes for when every other factor is lost, known by its hash and good once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (octets("code_hash", 32, 32),)

    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    code_hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, primary_key=True))
    made_at: datetime = Field(sa_column=moment())
    used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class SpentChallenge(Row, table=True):
    """A challenge that a passkey has answered, kept until it would have ended: no answer counts twice."""

    __tablename__ = "spent_challenges"
    __table_args__ = (octets("challenge_hash", 32, 32), Index(None, "expires_at"))

    challenge_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    expires_at: datetime = Field(sa_column=moment())


class FactorReset(Row, table=True):
    """A removal of all factors of an account, asked for by an operator: done or stopped once it has ended."""

    __tablename__ = "factor_resets"
    __table_args__ = (
        CheckConstraint("asked_by <> user_id", name="not_ones_own"),
        CheckConstraint("due_at > asked_at", name="due_later"),
        CheckConstraint("(ended_at IS NULL) = (is_done IS NULL)", name="end_is_whole"),
        Index("uq_factor_resets_open", "user_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    user_id: str = Field(sa_column=_owner())
    asked_by: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    asked_at: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    is_done: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
