"""The table of cases: what a person must look at."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Text,
    text,
)
from sqlmodel import Field

from onramp_app.cases.words import CaseKind
from onramp_app.db.columns import Row, length, moment, one_of, words
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id


class Case(Row, table=True):
    """Something that a person must look at; once closed, it says who closed it and why."""

    __tablename__ = "exceptions"
    __table_args__ = (
        one_of("environment", Environment),
        one_of("kind", CaseKind),
        CheckConstraint("kind <> 'held' OR top_up_id IS NOT NULL", name="held_names_top_up"),
        CheckConstraint("kind <> 'suspense' OR provider_order_id IS NOT NULL", name="suspense_names_order"),
        length("detail", 0, 1000),
        CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (close_reason IS NULL)",
            name="close_is_whole",
        ),
        length("closed_by", 1, 64),
        length("close_reason", 1, 500),
        Index(
            "uq_exceptions_open",
            "kind",
            "top_up_id",
            "provider_order_id",
            unique=True,
            postgresql_where=text(
                "closed_at IS NULL AND (top_up_id IS NOT NULL OR provider_order_id IS NOT NULL)"
            ),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_exceptions_open", "opened_at", "id", postgresql_where=text("closed_at IS NULL")),
        Index(None, "opened_at", "id"),
        Index(None, "top_up_id", postgresql_where=text("top_up_id IS NOT NULL")),
        Index(None, "provider_order_id", postgresql_where=text("provider_order_id IS NOT NULL")),
        # For cases that name neither: to find out whether there was one with the same detail before.
        Index(
            "ix_exceptions_unnamed",
            "kind",
            text("left(detail, 100)"),
            postgresql_where=text("top_up_id IS NULL AND provider_order_id IS NULL"),
        ),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    environment: str = Field(sa_column=words())
    kind: str = Field(sa_column=words())
    top_up_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("top_ups.id"), nullable=True)
    )
    provider_order_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("provider_orders.id"), nullable=True)
    )
    detail: str = Field(default="", sa_column=words())
    opened_at: datetime = Field(sa_column=moment())
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    closed_by: str | None = Field(default=None, sa_column=words(nullable=True))
    close_reason: str | None = Field(default=None, sa_column=words(nullable=True))
