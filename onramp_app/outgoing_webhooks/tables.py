"""The tables of outgoing webhooks: endpoints, events, their deliveries, and the attempts of each delivery."""

import json
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from onramp_app.db.columns import Row, count, length, moment, octets, one_of, words
from onramp_app.domain.ids import new_id
from onramp_app.outgoing_webhooks.words import (
    MAX_ANSWER_BYTES,
    MAX_DESCRIPTION,
    MAX_URL_LENGTH,
    DeliveryState,
    Disabled,
    EventType,
)

_TYPES = ", ".join(f"'{one}'" for one in EventType)
_WAITS = text("state = 'waiting'")
_NOT_TAKEN = text("state = 'failed' OR (state = 'waiting' AND first_tried_at IS NOT NULL)")


class WebhookEndpoint(Row, table=True):
    """Where the webhooks of a program go. `event_types` is empty where all are wanted.

    Its secrets are sealed; the earlier one also signs until `previous_until`. `failing_since` is when it
    stopped acknowledging webhooks, None while it does. A disabled endpoint is sent nothing. A removed one no
    longer exists for its program, and its row stays until its deliveries have been deleted.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        length("url", 8, MAX_URL_LENGTH),
        length("description", 1, MAX_DESCRIPTION),
        CheckConstraint(f"event_types <@ ARRAY[{_TYPES}]::text[]", name="event_types"),
        octets("sealed_secret", 40, 200),
        octets("sealed_previous", 40, 200),
        CheckConstraint("(sealed_previous IS NULL) = (previous_until IS NULL)", name="previous_is_whole"),
        one_of("disabled_because", Disabled),
        CheckConstraint("(disabled_at IS NULL) = (disabled_because IS NULL)", name="disabled_is_whole"),
        CheckConstraint("removed_at IS NULL OR disabled_at IS NOT NULL", name="removed_is_disabled"),
        Index(None, "program_id", "made_at"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    program_id: str = Field(sa_column=Column(Text, ForeignKey("programs.id"), nullable=False))
    url: str = Field(sa_column=words())
    description: str | None = Field(default=None, sa_column=words(nullable=True))
    event_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    sealed_secret: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    sealed_previous: bytes | None = Field(
        default=None, repr=False, sa_column=Column(LargeBinary, nullable=True)
    )
    previous_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    made_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    failing_since: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    disabled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    disabled_because: str | None = Field(default=None, sa_column=words(nullable=True))
    removed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class OutgoingEvent(Row, table=True):
    """Something that happened to an object of a person, for one program.

    `sequence` rises with each event of an object: it is assigned while that object is locked, and committed
    with the change itself. `data` is a JSON object that does not contain the sequence.
    """

    __tablename__ = "outgoing_events"
    __table_args__ = (
        one_of("type", EventType),
        length("object", 1, 200),
        CheckConstraint("json_typeof(data::json) = 'object' AND char_length(data) <= 8000", name="data"),
        UniqueConstraint("sequence"),
        Index(None, "user_id", "sequence"),
        Index(None, "created_at"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    sequence: int = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    program_id: str = Field(sa_column=Column(Text, ForeignKey("programs.id"), nullable=False))
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False))
    type: str = Field(sa_column=words())
    object: str = Field(sa_column=words())
    data: str = Field(sa_column=words())
    created_at: datetime = Field(sa_column=moment())

    @property
    def body(self) -> bytes:
        """The body that is sent and signed: the same bytes for each attempt."""
        document = {
            "type": self.type,
            "timestamp": self.created_at.isoformat().replace("+00:00", "Z"),
            "data": {**json.loads(self.data), "sequence": self.sequence},
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class OutgoingDelivery(Row, table=True):
    """An event on its way to an endpoint.

    A waiting delivery is due at `due_at`; a process that claims it moves that forward by as long as sending
    may take, so that another process takes over if it dies. `attempts` and `first_tried_at` belong to the
    schedule and start afresh with a redelivery. `object`, `sequence` and `made_at` are copied from the event:
    the first two decide the order in which deliveries go out.
    """

    __tablename__ = "outgoing_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        one_of("state", DeliveryState),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="end_is_whole"),
        length("problem", 1, 200),
        Index("ix_outgoing_deliveries_due", "endpoint_id", "due_at", postgresql_where=_WAITS),
        Index("ix_outgoing_deliveries_order", "endpoint_id", "object", "sequence", postgresql_where=_WAITS),
        Index(None, "endpoint_id", "made_at", "id"),
        Index(None, "endpoint_id", "state", "made_at", "id"),
        Index("ix_outgoing_deliveries_failed", "ended_at", postgresql_where=text("state = 'failed'")),
        Index(
            "ix_outgoing_deliveries_not_taken", "endpoint_id", "made_at", "id", postgresql_where=_NOT_TAKEN
        ),
        Index(
            "ix_outgoing_deliveries_taken",
            "endpoint_id",
            "ended_at",
            postgresql_where=text("state = 'delivered'"),
        ),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    event_id: str = Field(
        sa_column=Column(Text, ForeignKey("outgoing_events.id", ondelete="CASCADE"), nullable=False)
    )
    endpoint_id: str = Field(
        sa_column=Column(Text, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False)
    )
    object: str = Field(sa_column=words())
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = Field(sa_column=words())
    made_at: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    attempts: int = Field(default=0, sa_column=count())
    first_tried_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    problem: str | None = Field(default=None, sa_column=words(nullable=True))


class OutgoingAttempt(Row, table=True):
    """One request of a delivery and its outcome. `answer` is the beginning of the answer's body.

    `status` is None where no answer came; `problem` says why the attempt counts as failed.
    """

    __tablename__ = "outgoing_attempts"
    __table_args__ = (
        PrimaryKeyConstraint("delivery_id", "number"),
        CheckConstraint("number BETWEEN 1 AND 1000000", name="number"),
        CheckConstraint("status BETWEEN 100 AND 999", name="status"),
        CheckConstraint("took_ms >= 0", name="took_ms"),
        octets("answer", 0, MAX_ANSWER_BYTES),
        length("problem", 1, 200),
    )

    delivery_id: str = Field(
        sa_column=Column(Text, ForeignKey("outgoing_deliveries.id", ondelete="CASCADE"), nullable=False)
    )
    number: int = Field(sa_column=Column(Integer, nullable=False))
    at: datetime = Field(sa_column=moment())
    took_ms: int = Field(sa_column=Column(Integer, nullable=False))
    status: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    answer: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary, nullable=True))
    problem: str | None = Field(default=None, sa_column=words(nullable=True))
