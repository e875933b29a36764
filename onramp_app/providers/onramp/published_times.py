"""How long payments take by what is published, for as long as nobody has measured it here.

The payment methods page of the provider's documentation divides its methods into "instant transfer" (kind 1),
"instant bank transfer" (kind 2) and e-wallets, and gives no minutes. It files ACH and wires among the instant
ones, which their networks contradict: both run on banking days alone (Nacha Operating Rules, processing days;
Federal Reserve Operating Circular 6, Fedwire Funds Service). A kind that we do not know is said nothing of.
"""

from collections.abc import Mapping

from onramp_app.domain.payments import PaymentKind, PublishedTime

_INSTANT = PublishedTime()
_BY_CODE: Mapping[str, PublishedTime] = {
    "ACH": PublishedTime(bank_days=(1, 3)),
    "WIRE": PublishedTime(bank_days=(1, 2)),
}


def published_time(code: str, kind: PaymentKind) -> PublishedTime | None:
    """Return how long a payment by this method takes, as published; None where nothing is."""
    if kind is PaymentKind.OTHER:
        return None
    return _BY_CODE.get(code.upper(), _INSTANT)
