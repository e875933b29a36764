"""What all tables share: one metadata with named constraints, and helpers for common columns and checks."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    Numeric,
    Text,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(SQLModel):
    """Base of all tables: one metadata with named constraints."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMING_CONVENTION)


class Minor(TypeDecorator[int]):
    """An amount in minor units: `int` in Python, `NUMERIC(38,0)` in the database (18 decimals need it)."""

    impl = Numeric(38, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Return the amount as a `Decimal`, which the driver sends as NUMERIC however large it is."""
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Return whole minor units."""
        return None if value is None else int(value)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return a constraint that allows only the values of an enum."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


def length(column: str, low: int, high: int) -> CheckConstraint:
    """Return a constraint on a text's length in characters."""
    return CheckConstraint(f"char_length({column}) BETWEEN {low} AND {high}", name=f"{column}_length")


def octets(column: str, low: int, high: int) -> CheckConstraint:
    """Return a constraint on a column's length in bytes."""
    return CheckConstraint(f"octet_length({column}) BETWEEN {low} AND {high}", name=f"{column}_octets")


def exact(column: str) -> CheckConstraint:
    """Return a constraint that refuses negative amounts, and NaN and Infinity, which NUMERIC would store."""
    return CheckConstraint(f"{column} >= 0 AND {column} < 'Infinity'::numeric", name=column)


def moment(*, nullable: bool = False) -> Column[datetime]:
    """Return a column for a time with its zone."""
    return Column(DateTime(timezone=True), nullable=nullable)


def words(*, nullable: bool = False) -> Column[str]:
    """Return a column for text."""
    return Column(Text, nullable=nullable)


def decimal(*, nullable: bool = True) -> Column[Decimal]:
    """Return a column for an amount in whole units, stored exactly as given; pair it with `exact`."""
    return Column(Numeric, nullable=nullable)


def whole(*, nullable: bool = True) -> Column[int]:
    """Return a column for a whole number from the provider, of up to 18 digits."""
    return Column(BigInteger, nullable=nullable)


def count() -> Column[int]:
    """Return a column for a counter that starts at zero."""
    return Column(Integer, nullable=False, server_default="0")
