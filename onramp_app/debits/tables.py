"""The table of debits: what people spend with the operator's product, and what is on hold for it."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from onramp_app.db.columns import Minor, Row, decimal, exact, length, moment, octets, one_of, words
from onramp_app.debits.words import MAX_DESCRIPTION, MAX_METADATA, DebitStatus
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id


class DebitRecord(Row, table=True):
    """One debit, under a program's own reference. Amounts are minor units of `asset`.

    The part on hold is `amount_minor - posted_minor - released_minor`. If the program named an amount of a
    currency, `rate` is the price of one unit of the asset in it. `input_hash` tells a repeated request from a
    conflicting one. The application's role may only change a debit's progress and erase the program's texts.
    """

    __tablename__ = "debits"
    __table_args__ = (
        UniqueConstraint("environment", "program_id", "reference"),
        one_of("environment", Environment),
        CheckConstraint("reference ~ '^[!-9;-~]{1,64}$'", name="reference"),
        octets("input_hash", 32, 32),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        exact("fiat_amount"),
        CheckConstraint("fiat_currency ~ '^[A-Z]{3}$'", name="fiat_currency"),
        exact("rate"),
        CheckConstraint(
            "(fiat_amount IS NULL) = (fiat_currency IS NULL) AND (fiat_amount IS NULL) = (rate IS NULL)"
            " AND (fiat_amount IS NULL) = (rate_as_of IS NULL)",
            name="fiat_is_whole",
        ),
        length("description", 1, MAX_DESCRIPTION),
        CheckConstraint(
            f"json_typeof(metadata_json::json) = 'object' AND char_length(metadata_json) <= {MAX_METADATA}",
            name="metadata_json",
        ),
        CheckConstraint("is_hold = (expires_at IS NOT NULL)", name="hold_expires"),
        one_of("status", DebitStatus),
        CheckConstraint(
            "posted_minor >= 0 AND released_minor >= 0 AND posted_minor + released_minor <= amount_minor"
            " AND reversed_minor BETWEEN 0 AND posted_minor AND (is_hold OR posted_minor = amount_minor)",
            name="amounts",
        ),
        CheckConstraint(
            "CASE status WHEN 'held' THEN posted_minor + released_minor < amount_minor"
            " WHEN 'posted' THEN posted_minor > 0 AND posted_minor + released_minor = amount_minor"
            " ELSE released_minor = amount_minor END",
            name="status_fits_amounts",
        ),
        CheckConstraint("release_reference ~ '^[!-9;-~]{1,64}$'", name="release_reference"),
        Index(None, "program_id", "created_at", "id"),
        Index(None, "user_id", "created_at", "id"),
        Index("ix_debits_on_hold", "expires_at", "id", postgresql_where=text("status = 'held'")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    environment: str = Field(sa_column=words())
    program_id: str = Field(sa_column=Column(Text, ForeignKey("programs.id"), nullable=False))
    reference: str = Field(sa_column=words())
    input_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    asset: str = Field(sa_column=Column(Text, ForeignKey("assets.code"), nullable=False))
    amount_minor: int = Field(sa_column=Column(Minor, nullable=False))
    fiat_amount: Decimal | None = Field(default=None, sa_column=decimal())
    fiat_currency: str | None = Field(default=None, sa_column=words(nullable=True))
    rate: Decimal | None = Field(default=None, sa_column=decimal())
    rate_as_of: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    description: str | None = Field(default=None, sa_column=words(nullable=True))
    metadata_json: str | None = Field(default=None, sa_column=words(nullable=True))
    is_hold: bool = Field(sa_column=Column(Boolean, nullable=False))
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    status: str = Field(sa_column=words())
    posted_minor: int = Field(sa_column=Column(Minor, nullable=False))
    released_minor: int = Field(sa_column=Column(Minor, nullable=False))
    reversed_minor: int = Field(sa_column=Column(Minor, nullable=False))
    release_reference: str | None = Field(default=None, sa_column=words(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())

    @property
    def left_minor(self) -> int:
        """The amount still on hold, in minor units."""
        return self.amount_minor - self.posted_minor - self.released_minor
