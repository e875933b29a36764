"""The tables of verification: what was said about people, and whom the provider knows them as.

No phone number, document, birth date or identity number is a column of any table.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Identity, Index, Text, text
from sqlmodel import Field

from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.db.columns import Row, count, length, moment, one_of, words
from onramp_app.domain.environment import Environment
from onramp_app.verification.words import Source

# A word of the provider's: letters and underscores, so that nothing personal can stand in its place.
WORD_SQL = "'^[A-Z]{1,20}(_[A-Z]{1,20}){0,4}$'"


class VerificationStep(Row, table=True):
    """One line of a person's history. Only ever added; the last line says where the person stands.

    `word` is the provider's own. `actor` is the operator's or the person's id, `reason` the operator's. A
    line whose both sides are equal records something that changed nothing: a word that we do not know, or one
    that contradicts what an operator decided.
    """

    __tablename__ = "verification_steps"
    __table_args__ = (
        CheckConstraint(
            f"from_status IN ({', '.join(repr(str(s)) for s in KycStatus)})"
            f" AND to_status IN ({', '.join(repr(str(s)) for s in KycStatus)})",
            name="statuses",
        ),
        CheckConstraint(
            f"from_tier IN ({', '.join(repr(str(t)) for t in KycTier)})"
            f" AND to_tier IN ({', '.join(repr(str(t)) for t in KycTier)})",
            name="tiers",
        ),
        CheckConstraint("to_status <> 'approved' OR to_tier <> 'none'", name="approval_has_tier"),
        CheckConstraint("to_status NOT IN ('none', 'rejected') OR to_tier = 'none'", name="no_tier_without"),
        one_of("source", Source),
        CheckConstraint("(source = 'provider') = (word IS NOT NULL)", name="word_of_provider"),
        CheckConstraint(f"word ~ {WORD_SQL}", name="word"),
        CheckConstraint("(source = 'provider') = (actor IS NULL)", name="actor_of_people"),
        CheckConstraint("(source = 'operator') = (reason IS NOT NULL)", name="reason_of_operator"),
        # Whatever the words are: an approval comes from a signed read or from an operator, never from the
        # person.
        CheckConstraint(
            "source <> 'user' OR (to_tier = from_tier"
            " AND (to_status = from_status OR to_status IN ('started', 'in_review')))",
            name="nobody_approves_themselves",
        ),
        length("reason", 1, 500),
        Index(None, "user_id", "id"),
    )

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    at: datetime = Field(sa_column=moment())
    from_status: str = Field(sa_column=words())
    to_status: str = Field(sa_column=words())
    from_tier: str = Field(sa_column=words())
    to_tier: str = Field(sa_column=words())
    source: str = Field(sa_column=words())
    word: str | None = Field(default=None, sa_column=words(nullable=True))
    actor: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("users.id"), nullable=True))
    reason: str | None = Field(default=None, sa_column=words(nullable=True))


class VerificationCustomer(Row, table=True):
    """Whom the provider knows a person as, and when to ask about them next.

    `client_customer_id` is ours, unguessable, made before the provider is asked: a customer whose record at
    the provider carries it was made by us for this person, and `is_proven` says so. A customer is proven for
    one person at most. `due_at` is when to ask, None: nothing is open; `awake_at` is when something last
    happened, from which the pace of asking follows. `last_word` is what the provider said last.
    """

    __tablename__ = "verification_customers"
    __table_args__ = (
        one_of("environment", Environment),
        CheckConstraint("client_customer_id ~ '^[0-9a-f]{32}$'", name="client_customer_id"),
        CheckConstraint("customer_id ~ '^[!-~]{1,64}$'", name="customer_id"),
        CheckConstraint("NOT is_proven OR customer_id IS NOT NULL", name="proof_names_customer"),
        CheckConstraint("due_at IS NULL OR is_proven", name="asked_about_proven_ones"),
        CheckConstraint(f"last_word ~ {WORD_SQL}", name="last_word"),
        Index(
            "uq_verification_customers_proven",
            "environment",
            "customer_id",
            unique=True,
            postgresql_where=text("is_proven"),
        ),
        Index("ix_verification_customers_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        # Those whom an operator has to look at.
        Index(
            "ix_verification_customers_unproven",
            "awake_at",
            postgresql_where=text("NOT is_proven AND customer_id IS NOT NULL"),
        ),
    )

    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), primary_key=True))
    environment: str = Field(sa_column=words())
    client_customer_id: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    customer_id: str | None = Field(default=None, sa_column=words(nullable=True))
    is_proven: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    last_word: str | None = Field(default=None, sa_column=words(nullable=True))
    made_at: datetime = Field(sa_column=moment())
    awake_at: datetime = Field(sa_column=moment())
    read_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    due_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    read_failures: int = Field(default=0, sa_column=count())
