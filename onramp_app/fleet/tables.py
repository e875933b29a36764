"""The table of leases: the work that only one process of the fleet may do at a time."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from onramp_app.db.columns import Row, moment, words


class Lease(Row, table=True):
    """Which process holds the lease, until when unless it renews, and when it last did the work."""

    __tablename__ = "leases"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str = Field(sa_column=words())
    until: datetime = Field(sa_column=moment())
    worked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
