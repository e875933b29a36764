"""The tables of the books: accounts, transfers, entries, kept balances, audit log, hash chain.

The rules that hold them together are triggers of the migration that made them: nothing is changed or
removed, each transfer balances, kept balances move with entries only, and everything is chained.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from onramp_app.db.columns import Minor, Row, length, moment, octets, one_of, words
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id
from onramp_app.ledger.words import DEBIT_KINDS, LISTED_CONDITION, AccountKind, ChainedKind, TransferKind

_OF_DEBITS = ", ".join(f"'{kind}'" for kind in DEBIT_KINDS)

# A colon directly before a letter would begin a parameter, so none stands there.
_NAME = (
    "CASE kind"
    " WHEN 'treasury' THEN 'treasury:' || network || ':' || address || ':' || asset"
    " WHEN 'suspense' THEN 'suspense:' || asset"
    " WHEN 'payable' THEN 'provider:onramp:' || asset || ':' || kind"
    " WHEN 'income' THEN 'operator:' || asset || ':' || kind"
    " WHEN 'adjustments' THEN 'operator:' || asset || ':' || kind"
    " ELSE 'user:' || user_id || ':' || asset || ':' || kind END"
)


class Asset(Row, table=True):
    """An asset. `scale`, the decimals of all its amounts, is fixed when the asset is first enabled."""

    __tablename__ = "assets"
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Z0-9.]{1,20}$'", name="code"),
        CheckConstraint("scale BETWEEN 0 AND 18", name="scale"),
    )

    code: str = Field(sa_column=Column(Text, primary_key=True))
    scale: int = Field(sa_column=Column(SmallInteger, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class LedgerAccount(Row, table=True):
    """One account of the books. Its name follows from its parts (docs/money.md) and cannot differ."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        UniqueConstraint("name"),
        one_of("kind", AccountKind),
        CheckConstraint("(kind IN ('available', 'held', 'owed')) = (user_id IS NOT NULL)", name="user_id"),
        CheckConstraint("(kind = 'treasury') = (network IS NOT NULL)", name="network"),
        CheckConstraint("(kind = 'treasury') = (address IS NOT NULL)", name="address"),
        length("network", 1, 32),
        length("address", 1, 200),
        Index(None, "user_id", postgresql_where=text("user_id IS NOT NULL")),
    )

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    name: str | None = Field(
        default=None, sa_column=Column(Text, Computed(_NAME, persisted=True), nullable=False)
    )
    kind: str = Field(sa_column=words())
    asset: str = Field(sa_column=Column(Text, ForeignKey("assets.code"), nullable=False))
    user_id: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("users.id"), nullable=True))
    network: str | None = Field(default=None, sa_column=words(nullable=True))
    address: str | None = Field(default=None, sa_column=words(nullable=True))


class LedgerTransfer(Row, table=True):
    """One balanced movement. `reference` makes it happen once; `input_hash` distinguishes repeat and clash.

    A transfer moves one user's money or nobody's, so `user_id` is the user of all its user accounts.
    """

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        UniqueConstraint("environment", "reference"),
        one_of("environment", Environment),
        length("reference", 1, 250),
        octets("input_hash", 32, 32),
        one_of("kind", TransferKind),
        one_of("source", StepSource),
        length("actor", 1, 64),
        length("reason", 1, 500),
        CheckConstraint(
            f"(kind IN ('make_good', 'write_off', {_OF_DEBITS}, 'count')) = (provider_order_id IS NULL)",
            name="provider_order_id",
        ),
        CheckConstraint(f"(kind IN ({_OF_DEBITS})) = (debit_id IS NOT NULL)", name="debit_id"),
        CheckConstraint(
            "kind NOT IN ('make_good', 'write_off') OR reason IS NOT NULL", name="reason_is_told"
        ),
        Index(None, "user_id", "created_at", "id", postgresql_where=text("user_id IS NOT NULL")),
        # For the list of transactions, which shows few of the many transfers beside the top-ups.
        Index(
            "ix_ledger_transfers_listed",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text(LISTED_CONDITION),
        ),
        Index(
            "ix_ledger_transfers_reference",
            "user_id",
            text("right(id, 8)"),
            postgresql_where=text(LISTED_CONDITION),
        ),
        Index(None, "provider_order_id", postgresql_where=text("provider_order_id IS NOT NULL")),
        Index(None, "top_up_id", postgresql_where=text("top_up_id IS NOT NULL")),
        Index(None, "debit_id", postgresql_where=text("debit_id IS NOT NULL")),
        # Of all that is booked, very little is a count.
        Index("ix_ledger_transfers_counts", "created_at", postgresql_where=text("kind = 'count'")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    environment: str = Field(sa_column=words())
    reference: str = Field(sa_column=words())
    input_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    kind: str = Field(sa_column=words())
    user_id: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("users.id"), nullable=True))
    top_up_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=True)
    )
    provider_order_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("provider_orders.id"), nullable=True)
    )
    debit_id: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("debits.id"), nullable=True))
    source: str = Field(sa_column=words())
    actor: str | None = Field(default=None, sa_column=words(nullable=True))
    reason: str | None = Field(default=None, sa_column=words(nullable=True))
    created_at: datetime = Field(sa_column=moment())


class LedgerEntry(Row, table=True):
    """What one transfer does to one account: positive is debit, negative credit, in minor units."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        PrimaryKeyConstraint("transfer_id", "account_id"),
        CheckConstraint("amount_minor <> 0", name="amount_minor"),
        Index(None, "account_id", postgresql_include=["amount_minor"]),
    )

    transfer_id: str = Field(sa_column=Column(Text, ForeignKey("ledger_transfers.id"), nullable=False))
    account_id: int = Field(sa_column=Column(BigInteger, ForeignKey("ledger_accounts.id"), nullable=False))
    amount_minor: int = Field(sa_column=Column(Minor, nullable=False))


class UserBalance(Row, table=True):
    """The kept sums of one user's accounts in one asset, none below zero (liabilities with the sign turned).

    Written by a trigger on entries only: the application's role may read and lock, not change.
    """

    __tablename__ = "user_balances"
    __table_args__ = (
        CheckConstraint("available_minor >= 0", name="available"),
        CheckConstraint("held_minor >= 0", name="held"),
        CheckConstraint("owed_minor >= 0", name="owed"),
        PrimaryKeyConstraint("user_id", "asset"),
    )

    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    asset: str = Field(sa_column=Column(Text, ForeignKey("assets.code"), nullable=False))
    available_minor: int = Field(sa_column=Column(Minor, nullable=False))
    held_minor: int = Field(sa_column=Column(Minor, nullable=False))
    owed_minor: int = Field(sa_column=Column(Minor, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class AuditRow(Row, table=True):
    """One line of the audit log: who did what, to whom and from where. Never changed, and chained.

    `transfer_id` names the transfer that the deed posted, which must have such a line (`ledger.rules`).
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        length("actor", 1, 64),
        length("action", 1, 64),
        length("subject", 0, 200),
        length("address", 0, 45),
        length("detail", 0, 4000),
        Index(None, "at", "id"),
        Index(None, "subject"),
        Index(None, "transfer_id", postgresql_where=text("transfer_id IS NOT NULL")),
        # Each start compares the addresses of the treasury with those recorded last.
        Index("ix_audit_log_treasury", "at", "id", postgresql_where=text("action = 'treasury.addresses'")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    at: datetime = Field(sa_column=moment())
    actor: str = Field(sa_column=words())
    action: str = Field(sa_column=words())
    subject: str = Field(sa_column=words())
    address: str = Field(sa_column=words())
    detail: str = Field(default="", sa_column=words())
    transfer_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("ledger_transfers.id"), nullable=True)
    )


class ChainLink(Row, table=True):
    """One link of the hash chain: sha256 of the previous link's hash and of what it covers.

    Appended by triggers at commit, one transaction at a time; the application's role may only read it.
    """

    __tablename__ = "ledger_chain"
    __table_args__ = (
        one_of("kind", ChainedKind),
        UniqueConstraint("kind", "subject_id"),
        UniqueConstraint("previous_hash"),
        octets("previous_hash", 32, 32),
        octets("hash", 32, 32),
        CheckConstraint("seq >= 1", name="seq"),
    )

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str = Field(sa_column=words())
    subject_id: str = Field(sa_column=words())
    previous_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LedgerSeal(Row, table=True):
    """A seal of one link of the chain, made with a key that the database does not know (`ledger.seals`).

    The application's role adds seals; no role may change or remove them.
    """

    __tablename__ = "ledger_seals"
    __table_args__ = (
        octets("hash", 32, 32),
        octets("previous", 32, 32),
        octets("mac", 32, 32),
        length("key_id", 1, 64),
    )

    seq: int = Field(
        sa_column=Column(BigInteger, ForeignKey("ledger_chain.seq"), primary_key=True, autoincrement=False)
    )
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    previous: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = Field(sa_column=moment())
    key_id: str = Field(sa_column=words())
    mac: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
