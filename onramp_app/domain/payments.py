"""Kinds of payment, amount limits and published times: values that provider, pricing and pages share."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum


class PaymentKind(IntEnum):
    """How a payment method moves money; the values are the provider's numbers.

    `OTHER` stands for every number that we do not know: such a method is offered all the same.
    """

    OTHER = 0
    INSTANT = 1
    BANK_TRANSFER = 2
    E_WALLET = 3


@dataclass(frozen=True, slots=True)
class AmountLimits:
    """The least and the most that may be paid, in fiat. None: not published, which does not mean no limit."""

    min: Decimal | None
    max: Decimal | None


@dataclass(frozen=True, slots=True)
class PublishedTime:
    """How long a payment takes, as published: the least and most bank days, or None for instant."""

    bank_days: tuple[int, int] | None = None
