"""The sentences about an amount: what may be paid at once, and what is wrong with what was typed."""

from decimal import Decimal

from onramp_app.domain.amounts import fiat_text
from onramp_app.domain.payments import AmountLimits
from onramp_app.texts import _, ngettext
from onramp_app.web.add_money.amounts.typed import (
    AmountNotUnderstood,
    ForeignSign,
    NegativeAmount,
    TooManyDecimals,
)
from onramp_app.web.words.limits import left_text


def limits_text(limits: AmountLimits, currency: str) -> str:
    """Return how much may be paid at a time; empty where no limit is known."""
    if limits.min is not None and limits.max is not None:
        return _("From {least} to {most}").format(
            least=fiat_text(limits.min, currency), most=fiat_text(limits.max, currency)
        )
    if limits.min is not None:
        return _("{least} or more").format(least=fiat_text(limits.min, currency))
    if limits.max is not None:
        return _("Up to {most}").format(most=fiat_text(limits.max, currency))
    return ""


def amount_missing_text() -> str:
    """Return the sentence for an empty field."""
    return _("Enter how much you'd like to add.")


def amount_not_understood_text() -> str:
    """Return the sentence for a text that is no amount."""
    return _("Enter a valid amount, such as 1,000.")


def decimals_text(currency: str, decimals: int) -> str:
    """Return the sentence for too many decimals."""
    if decimals == 0:
        return _("{currency} has no decimals.").format(currency=currency)
    words = ngettext("{currency} has one decimal.", "{currency} has {decimals} decimals.", decimals)
    return words.format(currency=currency, decimals=decimals)


def too_little_text(least: str | Decimal, currency: str) -> str:
    """Return the sentence for an amount below the minimum."""
    return _("The minimum is {least}.").format(least=fiat_text(least, currency))


def too_much_text(most: str | Decimal, currency: str, *, is_ours: bool) -> str:
    """Return the sentence for an amount above the maximum. `is_ours`: our limits leave no more."""
    if not is_ours:
        return _("The maximum is {most}.").format(most=fiat_text(most, currency))
    if not Decimal(most):
        return _("You've reached your limit for now.")
    return _("You can add {most} more for now.").format(most=left_text(most, currency))


def zero_text() -> str:
    """Return the sentence for an amount of zero."""
    return _("Enter an amount above zero.")


def reading_text(error: ValueError, unit: str, decimals: int, *, is_paid: bool = True) -> str:
    """Return what is wrong with a typed amount.

    Args:
        error: what `read_amount` raised.
        unit: the currency or asset of the field.
        decimals: how many decimals the field takes.
        is_paid: whether the field is the one of the amount paid, whose currency can be changed.
    """
    match error:
        case ForeignSign() if is_paid:
            return _("You're paying in {unit}, not in {sign}.").format(unit=unit, sign=error.sign)
        case ForeignSign():
            return _("You receive {unit} here, not {sign}.").format(unit=unit, sign=error.sign)
        case NegativeAmount():
            return _("An amount can't be negative.")
        case TooManyDecimals():
            return decimals_text(unit, decimals)
    assert isinstance(error, AmountNotUnderstood)  # noqa: S101 - there is no other one
    return amount_not_understood_text()


def out_of_limits_text(extra: dict[str, object], amount: Decimal, currency: str) -> str:
    """Return the sentence for a refused amount; `extra` has `min` and `max`, if known, as decimal strings."""
    least, most = extra.get("min"), extra.get("max")
    if isinstance(least, str) and amount < Decimal(least):
        return too_little_text(least, currency)
    if isinstance(most, str):
        return too_much_text(most, currency, is_ours=True)
    return _("The provider doesn't accept this amount.")
