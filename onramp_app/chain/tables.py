"""The tables of chain evidence: what networks show of deliveries, and the order of each transfer."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    text,
)
from sqlmodel import Field

from onramp_app.chain.words import EvidenceState
from onramp_app.db.columns import Minor, Row, count, length, moment, one_of, words
from onramp_app.domain.environment import Environment

_HASH = "~ '^0x[0-9a-f]{64}$'"


class ChainEvidence(Row, table=True):
    """What a network shows of the delivery of one provider order.

    `asset`, `network`, `address` and `transaction_hash` are what is looked for, as last read from the
    provider (null: it has named no hash). `recorded_minor` is the amount that the delivered rule computes
    from the provider's figures, null where it computes none.

    `block_number` and `block_hash` say where the transaction was last seen; `amount_minor` is what arrived,
    final once the state is, and null where the books cannot hold it exactly. `why` says what is missing.
    `unseen_since` is since when no block has contained it, `away_since` since when no server has answered,
    and `next_look_at` when the next look is due (null: never). `credited_by` is the operator who credited the
    delivery by the provider's word while no server could be read.
    """

    __tablename__ = "chain_evidence"
    __table_args__ = (
        one_of("environment", Environment),
        one_of("state", EvidenceState),
        length("network", 1, 32),
        length("address", 1, 200),
        CheckConstraint(f"transaction_hash {_HASH}", name="transaction_hash"),
        CheckConstraint(f"block_hash {_HASH}", name="block_hash"),
        CheckConstraint("(block_number IS NULL) = (block_hash IS NULL)", name="block_is_whole"),
        CheckConstraint("block_number >= 0", name="block_number"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("recorded_minor > 0", name="recorded_minor"),
        CheckConstraint(
            "state NOT IN ('confirmed', 'differs', 'left') OR confirmed_at IS NOT NULL AND"
            " transaction_hash IS NOT NULL",
            name="confirmed_is_whole",
        ),
        CheckConstraint("amount_minor IS NULL OR confirmed_at IS NOT NULL", name="amount_is_confirmed"),
        length("why", 0, 500),
        length("credited_by", 1, 64),
        CheckConstraint("failures >= 0 AND looks_after >= 0", name="counts"),
        # Log indexes count within a block, so the transfers of a transaction that moves to another block get
        # new ones: the claims alone would let them be credited again.
        Index(
            "uq_chain_evidence_confirmed",
            "network",
            "transaction_hash",
            "asset",
            "address",
            unique=True,
            postgresql_where=text("confirmed_at IS NOT NULL"),
        ),
        Index(
            "ix_chain_evidence_due",
            "network",
            "next_look_at",
            postgresql_where=text("next_look_at IS NOT NULL"),
        ),
        Index(
            "ix_chain_evidence_away", "network", "away_since", postgresql_where=text("away_since IS NOT NULL")
        ),
    )

    provider_order_id: str = Field(sa_column=Column(Text, ForeignKey("provider_orders.id"), primary_key=True))
    environment: str = Field(sa_column=words())
    asset: str = Field(sa_column=Column(Text, ForeignKey("assets.code"), nullable=False))
    network: str = Field(sa_column=words())
    address: str = Field(sa_column=words())
    transaction_hash: str | None = Field(default=None, sa_column=words(nullable=True))
    recorded_minor: int | None = Field(default=None, sa_column=Column(Minor, nullable=True))
    state: str = Field(default=EvidenceState.WAITING.value, sa_column=words())
    why: str = Field(default="", sa_column=words())
    block_number: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    block_hash: str | None = Field(default=None, sa_column=words(nullable=True))
    amount_minor: int | None = Field(default=None, sa_column=Column(Minor, nullable=True))
    since: datetime = Field(sa_column=moment())
    unseen_since: datetime = Field(sa_column=moment())
    away_since: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    read_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    confirmed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    next_look_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    failures: int = Field(default=0, sa_column=count())
    looks_after: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    credited_by: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("users.id"), nullable=True)
    )


class ChainClaim(Row, table=True):
    """One transfer on a network, and the one order that it belongs to, for ever: rows are never changed.

    `log_index` is -1 for a transfer of the network's own coin. `units` is the amount in the token's smallest
    units on the network.
    """

    __tablename__ = "chain_claims"
    __table_args__ = (
        PrimaryKeyConstraint("network", "transaction_hash", "log_index"),
        length("network", 1, 32),
        CheckConstraint(f"transaction_hash {_HASH}", name="transaction_hash"),
        CheckConstraint("log_index >= -1", name="log_index"),
        CheckConstraint("units > 0", name="units"),
        Index(None, "provider_order_id"),
    )

    network: str = Field(sa_column=words())
    transaction_hash: str = Field(sa_column=words())
    log_index: int = Field(sa_column=Column(BigInteger, nullable=False))
    provider_order_id: str = Field(sa_column=Column(Text, ForeignKey("provider_orders.id"), nullable=False))
    units: int = Field(sa_column=Column(Numeric(78, 0), nullable=False))
    claimed_at: datetime = Field(sa_column=moment())
