"""The tables of add-money links, and of the narrow sessions of the browsers that opened them."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlmodel import Field

from onramp_app.db.columns import Row, decimal, exact, length, moment, octets, one_of, words
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id
from onramp_app.links.words import MAX_RETURN_URL


class AddMoneyLink(Row, table=True):
    """One link by which a program lets one of its people add money, once.

    The top-up that was begun by it names it (`top_ups.link_id`, unique). `input_hash` distinguishes repeat
    and clash of a reference.
    """

    __tablename__ = "add_money_links"
    __table_args__ = (
        UniqueConstraint("environment", "program_id", "reference"),
        one_of("environment", Environment),
        CheckConstraint("reference ~ '^[!-9;-~]{1,64}$'", name="reference"),
        octets("input_hash", 32, 32),
        octets("token_hash", 32, 32),
        CheckConstraint("fiat_currency ~ '^[A-Z]{3}$'", name="fiat_currency"),
        exact("fiat_amount"),
        CheckConstraint("fiat_amount IS NULL OR fiat_currency IS NOT NULL", name="amount_has_currency"),
        length("return_url", 1, MAX_RETURN_URL),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "expires_at"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    environment: str = Field(sa_column=words())
    program_id: str = Field(sa_column=Column(Text, ForeignKey("programs.id"), nullable=False))
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    reference: str | None = Field(default=None, sa_column=words(nullable=True))
    input_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    token_hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    fiat_currency: str | None = Field(default=None, sa_column=words(nullable=True))
    fiat_amount: Decimal | None = Field(default=None, sa_column=decimal())
    asset: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("assets.code"), nullable=True))
    return_url: str | None = Field(default=None, sa_column=words(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class LinkSession(Row, table=True):
    """One browser that opened a link. It admits to that link and its top-up, and to nothing else.

    It is no row of `auth_sessions`, so nothing that asks for a signed-in person can find it.
    """

    __tablename__ = "link_sessions"
    __table_args__ = (
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(None, "link_id", "id"),
        Index(None, "expires_at"),
        Index(None, "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    link_id: str = Field(
        sa_column=Column(Text, ForeignKey("add_money_links.id", ondelete="CASCADE"), nullable=False)
    )
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
