"""How long payments take according to published sources, used until this installation has measured it.

The payment methods page of the provider's documentation divides its methods into "instant transfer" (kind 1),
"instant bank transfer" (kind 2) and e-wallets, and gives no minutes. It lists ACH and wires as instant, which
their networks contradict: both run on banking days only (Nacha Operating Rules, processing days; Federal
Reserve Operating Circular 6, Fedwire Funds Service). For a kind that we do not know, no time is given.
"""

from collections.abc import Mapping

from onramp_app.domain.payments import PaymentKind, PublishedTime

_INSTANT = PublishedTime()
_BY_CODE: Mapping[str, PublishedTime] = {
    "ACH": PublishedTime(bank_days=(1, 3)),
    "WIRE": PublishedTime(bank_days=(1, 2)),
}


def published_time(code: str, kind: PaymentKind) -> PublishedTime | None:
    """Return the published time that a payment by this method takes; None for an unknown kind."""
    if kind is PaymentKind.OTHER:
        return None
    return _BY_CODE.get(code.upper(), _INSTANT)
