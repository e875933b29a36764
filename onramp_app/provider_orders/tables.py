"""The tables of the provider's data: orders as last read, webhooks that hint at them, and times of reads."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from onramp_app.db.columns import (
    Minor,
    Row,
    count,
    decimal,
    exact,
    length,
    moment,
    octets,
    one_of,
    whole,
    words,
)
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id
from onramp_app.providers.status import Flow, StatusClass
from onramp_app.providers.webhooks import EventKind

_AMOUNTS = (
    "fiat_amount",
    "expected_price",
    "expected_amount",
    "actual_price",
    "bought_amount",
    "gas_fee",
    "provider_fee",
    "client_fee",
    "gateway_fee",
)


def _trace() -> CheckConstraint:
    return CheckConstraint("trace ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-01$'", name="trace")


class OrderRecord(Row, table=True):
    """One of the provider's orders, as last read, with its untouched JSON (`raw`).

    Version 0 is an order that a webhook named and that was not read yet. Each read that shows something new
    adds one to `version`; applying it sets `applied_version`. `due_at` is when the order is to be read (null:
    only with its list), `apply_after` when applying may be retried; the failures of both are counted.

    `hinted_top_up_id` is the top-up that a webhook named. The hint decides whose page shows that we are
    looking, and from when to read; only a signed read decides whose money it is.

    Our judgement, set when the order is applied: `asset` and `network` in our words (null: no map entry),
    `is_ours` (the triple of network, address and asset is or was ours), `delivered_minor` by
    `delivered_rule` (null where the amount is missing, zero or unreadable).

    `trace` is the trace of the webhook that made the order due, and `hinted_at` is when that webhook was
    received; both stay until what the webhook led to is applied.
    """

    __tablename__ = "provider_orders"
    __table_args__ = (
        UniqueConstraint("environment", "provider", "flow", "order_id"),
        one_of("environment", Environment),
        CheckConstraint("provider = 'onramp'", name="provider"),
        one_of("flow", Flow),
        length("order_id", 1, 64),
        length("raw", 2, 65536),
        length("status_text", 1, 64),
        one_of("status_class", StatusClass),
        CheckConstraint("flow = 'buy' OR status_class IS NULL", name="only_buy_has_class"),
        length("recognition_id", 1, 256),
        length("reference_id", 1, 256),
        length("wallet_address", 1, 256),
        length("transaction_hash", 1, 256),
        length("network", 1, 32),
        CheckConstraint("fiat_currency ~ '^[A-Z]{3}$'", name="fiat_currency"),
        CheckConstraint("payment_kind IN (0, 1, 2, 3)", name="payment_kind"),
        *(exact(column) for column in _AMOUNTS),
        CheckConstraint("delivered_minor > 0", name="delivered_minor"),
        CheckConstraint("delivered_rule IN ('actual_minus_gas', 'actual')", name="delivered_rule"),
        CheckConstraint("delivered_minor IS NULL OR is_ours IS TRUE", name="delivered_is_ours"),
        CheckConstraint(
            "is_ours IS NOT TRUE OR"
            " (delivered_rule IS NOT NULL AND asset IS NOT NULL AND network IS NOT NULL)",
            name="ours_is_whole",
        ),
        CheckConstraint("applied_version BETWEEN 0 AND version", name="applied_version"),
        CheckConstraint("(version = 0) = (raw IS NULL)", name="raw_is_there"),
        CheckConstraint("(version = 0) = (read_at IS NULL)", name="read_is_whole"),
        CheckConstraint("read_failures >= 0 AND apply_failures >= 0", name="failures"),
        length("apply_error", 1, 500),
        _trace(),
        Index(None, "top_up_id"),
        Index(None, "recognition_id"),
        Index(None, "transaction_hash"),
        Index("ix_provider_orders_newest", "environment", "first_seen_at", "id"),
        Index("ix_provider_orders_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "ix_provider_orders_hinted",
            "hinted_top_up_id",
            postgresql_where=text("hinted_top_up_id IS NOT NULL"),
        ),
        Index("ix_provider_orders_to_apply", "id", postgresql_where=text("version > applied_version")),
        Index(
            "ix_provider_orders_not_booked",
            "id",
            postgresql_where=text("flow = 'buy' AND status_class = 'delivered' AND delivered_minor IS NULL"),
        ),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    environment: str = Field(sa_column=words())
    provider: str = Field(default="onramp", sa_column=words())
    flow: str = Field(sa_column=words())
    order_id: str = Field(sa_column=words())
    top_up_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=True)
    )
    hinted_top_up_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=True)
    )
    raw: str | None = Field(default=None, sa_column=words(nullable=True))
    status_number: int | None = Field(default=None, sa_column=whole())
    status_text: str | None = Field(default=None, sa_column=words(nullable=True))
    status_class: str | None = Field(default=None, sa_column=words(nullable=True))
    class_since: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    recognition_id: str | None = Field(default=None, sa_column=words(nullable=True))
    reference_id: str | None = Field(default=None, sa_column=words(nullable=True))
    wallet_address: str | None = Field(default=None, sa_column=words(nullable=True))
    coin_id: int | None = Field(default=None, sa_column=whole())
    chain_id: int | None = Field(default=None, sa_column=whole())
    transaction_hash: str | None = Field(default=None, sa_column=words(nullable=True))
    fiat_type: int | None = Field(default=None, sa_column=whole())
    fiat_currency: str | None = Field(default=None, sa_column=words(nullable=True))
    fiat_amount: Decimal | None = Field(default=None, sa_column=decimal())
    payment_kind: int | None = Field(default=None, sa_column=Column(SmallInteger, nullable=True))
    expected_price: Decimal | None = Field(default=None, sa_column=decimal())
    expected_amount: Decimal | None = Field(default=None, sa_column=decimal())
    actual_price: Decimal | None = Field(default=None, sa_column=decimal())
    bought_amount: Decimal | None = Field(default=None, sa_column=decimal())
    gas_fee: Decimal | None = Field(default=None, sa_column=decimal())
    provider_fee: Decimal | None = Field(default=None, sa_column=decimal())
    client_fee: Decimal | None = Field(default=None, sa_column=decimal())
    gateway_fee: Decimal | None = Field(default=None, sa_column=decimal())
    is_kyc_needed: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
    ordered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    asset: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("assets.code"), nullable=True))
    network: str | None = Field(default=None, sa_column=words(nullable=True))
    is_ours: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
    delivered_minor: int | None = Field(default=None, sa_column=Column(Minor, nullable=True))
    delivered_rule: str | None = Field(default=None, sa_column=words(nullable=True))
    first_seen_at: datetime = Field(sa_column=moment())
    read_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    version: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    applied_version: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    read_failures: int = Field(default=0, sa_column=count())
    apply_after: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    apply_failures: int = Field(default=0, sa_column=count())
    apply_error: str | None = Field(default=None, sa_column=words(nullable=True))
    trace: str | None = Field(default=None, sa_column=words(nullable=True))
    hinted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class StoredWebhook(Row, table=True):
    """One signed webhook: the bytes received, less what may not be stored about a person. It is only a hint.

    Identified by the hash of the signed header together with that of the body: the body is unsigned, so a
    forged one must not suppress the real event. A trigger keeps at most 20 bodies for one header.

    The columns from `kind` to `recognition_id` hold what it says (`translation.py`). Null `kind`: the row was
    written by a version that stored only `flow` and `order_id`, and is translated when it is read.
    """

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("environment", "header_hash", "body_hash"),
        one_of("environment", Environment),
        octets("header", 1, 32768),
        octets("body", 0, 65536),
        CheckConstraint("secret IN ('current', 'previous')", name="secret"),
        length("flow", 1, 16),
        length("order_id", 1, 64),
        CheckConstraint("replays >= 0", name="replays"),
        one_of("kind", EventKind),
        length("status_text", 1, 64),
        length("recognition_id", 1, 256),
        CheckConstraint("(kind IS NULL) = (is_content_signed IS NULL)", name="translation_is_whole"),
        _trace(),
        Index(None, "order_id"),
        Index("ix_webhook_events_unhandled", "id", postgresql_where=text("handled_at IS NULL")),
        Index(None, "received_at"),
    )

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    environment: str = Field(sa_column=words())
    header: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    header_hash: bytes | None = Field(
        default=None,
        sa_column=Column(LargeBinary, Computed("sha256(header)", persisted=True), nullable=False),
    )
    body_hash: bytes | None = Field(
        default=None, sa_column=Column(LargeBinary, Computed("sha256(body)", persisted=True), nullable=False)
    )
    received_at: datetime = Field(sa_column=moment())
    secret: str = Field(sa_column=words())
    is_old: bool = Field(sa_column=Column(Boolean, nullable=False))
    differs: bool = Field(sa_column=Column(Boolean, nullable=False))
    kind: str | None = Field(default=None, sa_column=words(nullable=True))
    status_text: str | None = Field(default=None, sa_column=words(nullable=True))
    signed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    is_content_signed: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
    flow: str | None = Field(default=None, sa_column=words(nullable=True))
    order_id: str | None = Field(default=None, sa_column=words(nullable=True))
    fiat_type: int | None = Field(default=None, sa_column=whole())
    ordered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    recognition_id: str | None = Field(default=None, sa_column=words(nullable=True))
    handled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    replays: int = Field(default=0, sa_column=count())
    replayed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    trace: str | None = Field(default=None, sa_column=words(nullable=True))


class WebhookRefusal(Row, table=True):
    """One refused webhook request, for the inspector. A trigger keeps the newest 1,000.

    `header` and `body` are cut short: the sender proved nothing, so the request gets little room.
    """

    __tablename__ = "webhook_refusals"
    __table_args__ = (
        one_of("environment", Environment),
        length("reason", 1, 64),
        length("address", 0, 45),
        octets("header", 0, 1024),
        octets("body", 0, 1024),
        CheckConstraint("body_bytes >= 0", name="body_bytes"),
    )

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    environment: str = Field(sa_column=words())
    received_at: datetime = Field(sa_column=moment())
    reason: str = Field(sa_column=words())
    address: str = Field(sa_column=words())
    header: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body_bytes: int = Field(sa_column=count())


class ProviderRead(Row, table=True):
    """When the last complete read of the open top-ups in a fiat type began."""

    __tablename__ = "provider_reads"
    __table_args__ = (one_of("environment", Environment),)

    environment: str = Field(sa_column=Column(Text, primary_key=True))
    fiat_type: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    began_at: datetime = Field(sa_column=moment())


class ProviderBusy(Row, table=True):
    """How many times the provider answered 429 to our reads, and when it last did."""

    __tablename__ = "provider_busy"
    __table_args__ = (one_of("environment", Environment), CheckConstraint("times >= 1", name="times"))

    environment: str = Field(sa_column=Column(Text, primary_key=True))
    times: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_at: datetime = Field(sa_column=moment())


class HistoryWalk(Row, table=True):
    """When the last weeks of one of the provider's lists were last walked."""

    __tablename__ = "history_walks"
    __table_args__ = (one_of("environment", Environment), one_of("flow", Flow))

    environment: str = Field(sa_column=Column(Text, primary_key=True))
    flow: str = Field(sa_column=Column(Text, primary_key=True))
    fiat_type: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    walked_at: datetime = Field(sa_column=moment())
