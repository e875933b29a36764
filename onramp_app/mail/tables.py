"""The outbox: mails written by the transactions that cause them, until they are sent or given up."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, text
from sqlmodel import Field

from onramp_app.db.columns import Row, count, length, moment, one_of, words
from onramp_app.domain.ids import new_id
from onramp_app.mail.words import MailKind

_WAITS = text("sent_at IS NULL AND given_up_at IS NULL")


class OutboxMail(Row, table=True):
    """One mail. Its text is rendered when it is sent, from `kind`, `language` and `details`.

    `event_key` identifies what caused it, so that one cause yields one mail. `details` is a JSON object of
    texts. The secret of its link is derived from `link_id` and recognized by `link_hash`: neither opens
    anything. A waiting mail is due at `due_at`; a process that claims it moves that forward by as long as
    sending may take. `problem` is why it was not sent, without personal data.
    """

    __tablename__ = "outbox_mails"
    __table_args__ = (
        length("event_key", 1, 200),
        one_of("kind", MailKind),
        length("recipient", 3, 254),
        CheckConstraint("octet_length(recipient) = char_length(recipient)", name="recipient_ascii"),
        length("language", 2, 12),
        CheckConstraint(
            "json_typeof(details::json) = 'object' AND char_length(details) <= 4000", name="details"
        ),
        CheckConstraint("(link_id IS NULL) = (link_hash IS NULL)", name="link_is_whole"),
        CheckConstraint("octet_length(link_hash) = 32", name="link_hash_length"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("sent_at IS NULL OR given_up_at IS NULL", name="one_end"),
        length("problem", 1, 200),
        Index("ix_outbox_mails_waiting", "due_at", postgresql_where=_WAITS),
        Index(None, "user_id", "kind", "created_at"),
        Index(None, "created_at"),
        Index("ix_outbox_mails_given_up", "given_up_at", postgresql_where=text("given_up_at IS NOT NULL")),
        # The last mail to a closed account is deleted sooner than the others.
        Index("ix_outbox_mails_last", "id", postgresql_where=text("kind = 'account_closed'")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    event_key: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    kind: str = Field(sa_column=words())
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False))
    recipient: str = Field(sa_column=words())
    language: str = Field(sa_column=words())
    details: str = Field(sa_column=words())
    link_id: str | None = Field(default=None, sa_column=words(nullable=True))
    link_hash: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary, nullable=True))
    created_at: datetime = Field(sa_column=moment())
    useless_after: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    attempts: int = Field(default=0, sa_column=count())
    sent_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    given_up_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    problem: str | None = Field(default=None, sa_column=words(nullable=True))
