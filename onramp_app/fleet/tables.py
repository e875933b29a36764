"""The table of what one process of the fleet does at a time."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from onramp_app.db.columns import Row, moment, words


class Lease(Row, table=True):
    """Who does something, until when unless they renew it, and when they last got on with it."""

    __tablename__ = "leases"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str = Field(sa_column=words())
    until: datetime = Field(sa_column=moment())
    worked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
