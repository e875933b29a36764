"""The tables of programs: what they are called, their keys, and whom they know by which name."""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field

from onramp_app.db.columns import Minor, Row, length, moment, octets, words
from onramp_app.domain.ids import new_id
from onramp_app.programs.words import MAX_NAME_LENGTH, MAX_NETWORKS, MAX_REQUESTS_PER_MINUTE, Scope

_SCOPES = ", ".join(f"'{scope}'" for scope in Scope)


class ProgramRow(Row, table=True):
    """A program of the operator's: the owner of keys. Never deleted, since debits are unique under its id."""

    __tablename__ = "programs"
    __table_args__ = (UniqueConstraint("name"), length("name", 1, MAX_NAME_LENGTH))

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=words())
    created_at: datetime = Field(sa_column=moment())


class ApiKey(Row, table=True):
    """One key of a program, kept as the hash of its secret part. It works until `ends_at`, if any."""

    __tablename__ = "api_keys"
    __table_args__ = (
        octets("secret_hash", 32, 32),
        CheckConstraint(f"scopes <@ ARRAY[{_SCOPES}]::text[] AND cardinality(scopes) >= 1", name="scopes"),
        CheckConstraint(f"cardinality(networks) <= {MAX_NETWORKS}", name="networks"),
        CheckConstraint(
            f"requests_per_minute BETWEEN 1 AND {MAX_REQUESTS_PER_MINUTE}", name="requests_per_minute"
        ),
        length("last_used_from", 0, 45),
        CheckConstraint("(last_used_at IS NULL) = (last_used_from IS NULL)", name="use_is_whole"),
        Index(None, "program_id", "made_at"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    program_id: str = Field(sa_column=Column(Text, ForeignKey("programs.id"), nullable=False))
    secret_hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    networks: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    requests_per_minute: int = Field(sa_column=Column(Integer, nullable=False))
    made_at: datetime = Field(sa_column=moment())
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_used_from: str | None = Field(default=None, sa_column=words(nullable=True))


class ProgramUser(Row, table=True):
    """Whom a program knows, by the name that is the program's own: one account for one name, and back.

    Where a program wants to hear when this person has little left, that is less than `low_minor` (minor
    units) of `low_asset`.
    """

    __tablename__ = "program_users"
    __table_args__ = (
        PrimaryKeyConstraint("program_id", "external_id"),
        UniqueConstraint("program_id", "user_id"),
        CheckConstraint("external_id ~ '^[!-~]{1,128}$'", name="external_id"),
        CheckConstraint("(low_asset IS NULL) = (low_minor IS NULL)", name="low_is_whole"),
        CheckConstraint("low_minor > 0", name="low_minor"),
        Index(None, "user_id"),
    )

    program_id: str = Field(sa_column=Column(Text, ForeignKey("programs.id"), nullable=False))
    external_id: str = Field(sa_column=words())
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False))
    created_at: datetime = Field(sa_column=moment())
    low_asset: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("assets.code"), nullable=True)
    )
    low_minor: int | None = Field(default=None, sa_column=Column(Minor, nullable=True))
