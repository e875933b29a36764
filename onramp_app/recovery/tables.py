"""Requests for a link to set a password, as they were typed: whether there is such an account shows later."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field

from onramp_app.db.columns import Row, length, moment, words
from onramp_app.domain.ids import new_id


class ResetRequest(Row, table=True):
    """Somebody asked for a link for an address. The row goes when it is answered, or too old for that."""

    __tablename__ = "reset_requests"
    __table_args__ = (
        length("email", 3, 254),
        length("address", 0, 45),
        length("device", 0, 200),
        Index(None, "asked_at"),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    email: str = Field(sa_column=words())
    address: str = Field(sa_column=words())
    device: str = Field(sa_column=words())
    asked_at: datetime = Field(sa_column=moment())
