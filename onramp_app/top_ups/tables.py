"""The tables of top-ups: what people asked for, what became of it, and the widget addresses issued for it.

A top-up holds what was asked for and what became of it. Where its money was to go (recognition id, address,
memo) belongs to each widget session, because a treasury address may change between two sessions.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    text,
)
from sqlmodel import Field

from onramp_app.db.columns import Minor, Row, decimal, exact, length, moment, one_of, whole, words
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id
from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.transitions import OPEN_SQL, Act, Charged, Reason, TopUpStatus

_OPEN = text(f"status IN ({OPEN_SQL})")


class TopUp(Row, table=True):
    """One act of adding money.

    `status`, `reason`, `charged`, `rank` and `has_entry` make up its `top_ups.transitions.State`.
    `received_minor` is the booked amount in minor units of `received_asset`, which differs from `asset` after
    a wrong delivery.
    `quote` is a JSON object of decimals as strings; a top-up made for a second or an unknown delivery has
    none. `base_amount` is the fiat amount in the currency of the limits, at the rate of the creation.
    `paid_amount` is what the provider says was paid, where that differs from `fiat_amount`, so that a search
    finds it; else null. `link_id` is the add-money link that began it (`links.tables`); a link begins at most
    one. `version` grows with each change, by a trigger: pages compare it to notice a lost notification.
    """

    __tablename__ = "top_ups"
    __table_args__ = (
        one_of("environment", Environment),
        one_of("status", TopUpStatus),
        one_of("reason", Reason),
        one_of("charged", Charged),
        CheckConstraint("rank BETWEEN 0 AND 70", name="rank"),
        exact("fiat_amount"),
        CheckConstraint("fiat_currency ~ '^[A-Z]{3}$'", name="fiat_currency"),
        length("network", 1, 32),
        length("payment_method", 1, 64),
        CheckConstraint("json_typeof(quote::json) = 'object' AND char_length(quote) <= 4000", name="quote"),
        exact("expected_amount"),
        exact("paid_amount"),
        exact("base_amount"),
        CheckConstraint("base_currency ~ '^[A-Z]{3}$'", name="base_currency"),
        CheckConstraint("(base_amount IS NULL) = (base_currency IS NULL)", name="base_is_whole"),
        CheckConstraint("received_minor > 0", name="received_minor"),
        CheckConstraint(
            "has_entry = (received_minor IS NOT NULL) AND has_entry = (received_asset IS NOT NULL)",
            name="entry_is_whole",
        ),
        CheckConstraint(
            "CASE status WHEN 'settled' THEN has_entry WHEN 'reversed' THEN has_entry"
            " WHEN 'in_review' THEN true ELSE NOT has_entry END",
            name="status_fits_entry",
        ),
        CheckConstraint("status <> 'in_review' OR reason IS NOT NULL", name="review_has_reason"),
        CheckConstraint("status <> 'settled' OR settled_at IS NOT NULL", name="settled_has_time"),
        CheckConstraint("linked_to <> id", name="linked_to_another"),
        CheckConstraint("version >= 1", name="version"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "user_id", "status", "created_at", "id"),
        Index(None, "user_id", "asset", "created_at", "id"),
        # For the search, which reads its results in the order of the list.
        Index(None, "user_id", "fiat_amount", "created_at", "id"),
        Index(None, "user_id", "payment_method", "created_at", "id"),
        Index("ix_top_ups_reference", "user_id", text("right(id, 8)")),
        Index(
            "ix_top_ups_received",
            "user_id",
            "received_minor",
            "created_at",
            "id",
            postgresql_where=text("received_minor IS NOT NULL"),
        ),
        Index(
            "ix_top_ups_paid_otherwise",
            "user_id",
            "paid_amount",
            "created_at",
            "id",
            postgresql_where=text("paid_amount IS NOT NULL"),
        ),
        Index(None, "user_id", "updated_at"),
        Index(None, "user_id", "settled_at", postgresql_where=text("status = 'settled'")),
        Index(
            "ix_top_ups_settled_by_method",
            "environment",
            "payment_method",
            "settled_at",
            postgresql_where=text("status = 'settled'"),
        ),
        # This index is empty in production, which otherwise refuses to start.
        Index("ix_top_ups_not_live", "environment", postgresql_where=text("environment <> 'live'")),
        Index("ix_top_ups_open", "fiat_type", "created_at", postgresql_where=_OPEN),
        Index("uq_top_ups_link_id", "link_id", unique=True, postgresql_where=text("link_id IS NOT NULL")),
        Index("ix_top_ups_linked_to", "linked_to", postgresql_where=text("linked_to IS NOT NULL")),
        Index(
            "ix_top_ups_best_order_id", "best_order_id", postgresql_where=text("best_order_id IS NOT NULL")
        ),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    environment: str = Field(sa_column=words())
    fiat_amount: Decimal = Field(sa_column=decimal(nullable=False))
    fiat_currency: str = Field(sa_column=words())
    fiat_type: int = Field(sa_column=whole(nullable=False))
    asset: str = Field(sa_column=Column(Text, ForeignKey("assets.code"), nullable=False))
    network: str = Field(sa_column=words())
    payment_method: str = Field(sa_column=words())
    quote: str | None = Field(default=None, sa_column=words(nullable=True))
    expected_amount: Decimal | None = Field(default=None, sa_column=decimal())
    paid_amount: Decimal | None = Field(default=None, sa_column=decimal())
    base_amount: Decimal | None = Field(default=None, sa_column=decimal())
    base_currency: str | None = Field(default=None, sa_column=words(nullable=True))
    status: str = Field(default=TopUpStatus.CREATED.value, sa_column=words())
    reason: str | None = Field(default=None, sa_column=words(nullable=True))
    charged: str = Field(default=Charged.NO.value, sa_column=words())
    rank: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False))
    has_entry: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    received_minor: int | None = Field(default=None, sa_column=Column(Minor, nullable=True))
    received_asset: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("assets.code"), nullable=True)
    )
    best_order_id: str | None = Field(
        default=None,
        sa_column=Column(
            Text,
            ForeignKey("provider_orders.id", name="fk_top_ups_best_order_id", use_alter=True),
            nullable=True,
        ),
    )
    linked_to: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=True)
    )
    link_id: str | None = Field(default=None, sa_column=words(nullable=True))
    version: int = Field(default=1, sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    claimed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    settled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class TopUpStep(Row, table=True):
    """One line of a top-up's timeline, never changed: what it became, when, by whom and on what evidence.

    `act` says what was done. For a read of the provider, `status_class` is the class that was read, `hold`
    the reason why a delivery was not simply credited, and `provider_order_id` with `order_version` names the
    order as read. `actor` is the person, if any. `detail` is a sentence for people: code never reads it.
    """

    __tablename__ = "top_up_steps"
    __table_args__ = (
        one_of("status", TopUpStatus),
        one_of("reason", Reason),
        one_of("charged", Charged),
        one_of("source", StepSource),
        one_of("act", Act),
        one_of("status_class", StatusClass),
        one_of("hold", Reason),
        CheckConstraint(
            "(status_class IS NOT NULL) = (act IN ('read', 'linked'))", name="status_class_of_a_read"
        ),
        CheckConstraint("hold IS NULL OR status_class = 'delivered'", name="hold_of_a_delivery"),
        length("actor", 1, 64),
        length("detail", 0, 500),
        Index(None, "top_up_id", "id"),
    )

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    top_up_id: str = Field(sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=False))
    at: datetime = Field(sa_column=moment())
    status: str = Field(sa_column=words())
    reason: str | None = Field(default=None, sa_column=words(nullable=True))
    charged: str = Field(sa_column=words())
    source: str = Field(sa_column=words())
    actor: str | None = Field(default=None, sa_column=words(nullable=True))
    detail: str = Field(default="", sa_column=words())
    provider_order_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("provider_orders.id"), nullable=True)
    )
    order_version: int | None = Field(default=None, sa_column=whole())
    act: str = Field(sa_column=words())
    status_class: str | None = Field(default=None, sa_column=words(nullable=True))
    hold: str | None = Field(default=None, sa_column=words(nullable=True))


class WidgetRecord(Row, table=True):
    """One issued widget URL of one top-up.

    `recognition_id` is the only link between the provider's order and our top-up: unguessable, and not the
    top-up's id, which appears in addresses and receipts. The URL is offered until `offered_until`; a later
    payment is still credited, so the row stays.
    """

    __tablename__ = "widget_sessions"
    __table_args__ = (
        CheckConstraint("recognition_id ~ '^[A-Za-z0-9]{22,32}$'", name="recognition_id"),
        one_of("environment", Environment),
        length("network", 1, 32),
        length("address", 1, 128),
        length("memo", 1, 64),
        exact("fiat_amount"),
        length("url", 1, 2048),
        Index(None, "top_up_id", "created_at"),
    )

    recognition_id: str = Field(sa_column=Column(Text, primary_key=True))
    top_up_id: str = Field(sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=False))
    environment: str = Field(sa_column=words())
    asset: str = Field(sa_column=Column(Text, ForeignKey("assets.code"), nullable=False))
    network: str = Field(sa_column=words())
    address: str = Field(sa_column=words())
    memo: str | None = Field(default=None, sa_column=words(nullable=True))
    fiat_amount: Decimal = Field(sa_column=decimal(nullable=False))
    url: str = Field(sa_column=words())
    created_at: datetime = Field(sa_column=moment())
    offered_until: datetime = Field(sa_column=moment())
