"""The limits by currency that the provider publishes on the KYC tier page of its documentation.

The provider's API contradicts them (8,000,000 EUR a payment), so they are shown as published, never enforced.
"""

from collections.abc import Mapping
from decimal import Decimal

from onramp_app.providers.port import PublishedLimits

# By currency, in thousands: for a first payment, for one after a longer verification, and for a month.
_THOUSANDS: Mapping[str, tuple[str, str | None, str | None]] = {
    "INR": ("500", None, "2000"),
    "NGN": ("2000", None, "3750"),
    "ZAR": ("6", None, "6"),
    "EUR": ("100", None, "100"),
    "USD": ("10", None, "100"),
    "AED": ("75", None, "100"),
    "TRY": ("500", None, None),
    "BRL": ("4.5", "50", "74"),
    "MXN": ("5.5", "100", "263"),
    "PHP": ("280", "850", None),
    "IDR": ("80000", "280000", None),
    "VND": ("120000", "360000", None),
    "THB": ("50", None, "200"),
    "KES": ("100", None, "700"),
    "GHS": ("50", None, None),
    "XAF": ("200", None, None),
    "COP": ("4500", None, "20000"),
    "CLP": ("4400", "8000", "13000"),
    "PEN": ("18", "55", None),
    "ARS": ("7650", None, "22500"),
    "MYR": ("25", None, None),
}


def _whole(thousands: str | None) -> Decimal | None:
    return None if thousands is None else Decimal(thousands) * 1000


PUBLISHED_LIMITS: Mapping[str, PublishedLimits] = {
    currency: PublishedLimits(Decimal(first) * 1000, _whole(later), _whole(month))
    for currency, (first, later, month) in _THOUSANDS.items()
}
