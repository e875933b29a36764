"""The tables of operators: one-time codes, and proposals that wait for a second operator."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, SmallInteger, Text
from sqlmodel import Field

from onramp_app.db.columns import Row, length, moment, octets, words
from onramp_app.domain.ids import new_id

MAX_GUESSES = 5


class OperatorCode(Row, table=True):
    """The one open code of a session, kept as a hash. Deleted when it is used and with its session.

    `id` names the code in the audit log. `guesses_left` is how many wrong codes may still be tried.
    """

    __tablename__ = "operator_codes"
    __table_args__ = (
        octets("code_hash", 32, 32),
        CheckConstraint("expires_at > made_at", name="expires_later"),
        CheckConstraint(f"guesses_left BETWEEN 0 AND {MAX_GUESSES}", name="guesses_left"),
        Index(None, "user_id"),
    )

    session_id: str = Field(
        sa_column=Column(Text, ForeignKey("auth_sessions.id", ondelete="CASCADE"), primary_key=True)
    )
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False))
    id: str = Field(default_factory=new_id, sa_column=words())
    code_hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    made_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    guesses_left: int = Field(default=MAX_GUESSES, sa_column=Column(SmallInteger, nullable=False))


class Proposal(Row, table=True):
    """A deed that one operator proposed and that only another one can have done.

    `deed_hash` covers the deed and what it was decided on, so a confirmation is of exactly that.
    """

    __tablename__ = "proposals"
    __table_args__ = (
        length("action", 1, 64),
        length("subject", 1, 200),
        length("reason", 1, 500),
        octets("deed_hash", 32, 32),
        CheckConstraint("expires_at > proposed_at", name="expires_later"),
        CheckConstraint("(confirmed_at IS NULL) = (confirmed_by IS NULL)", name="confirmation_is_whole"),
        CheckConstraint("confirmed_by <> proposed_by", name="four_eyes"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    action: str = Field(sa_column=words())
    subject: str = Field(sa_column=words())
    deed_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reason: str = Field(sa_column=words())
    proposed_by: str = Field(sa_column=Column(Text, ForeignKey("users.id"), nullable=False))
    proposed_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    confirmed_by: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("users.id"), nullable=True)
    )
    confirmed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
