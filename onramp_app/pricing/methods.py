"""What a payment method means for the person who pays: the rail on which the money moves, and its name.

The provider classes methods as instant transfer, instant bank transfer or e-wallet, and lists wires as
instant. People are told what a method really is, which follows from its code.
"""

from enum import StrEnum

from onramp_app.domain.payments import PaymentKind
from onramp_app.pricing.names import plain_method
from onramp_app.texts import _


class Rail(StrEnum):
    """How a person pays."""

    BANK_TRANSFER = "bank_transfer"
    BANK_APP = "bank_app"
    QR_CODE = "qr_code"
    MOBILE_MONEY = "mobile_money"
    E_WALLET = "e_wallet"
    OTHER = "other"


_RAILS = {
    "ACH": Rail.BANK_TRANSFER,
    "BANCOLOMBIA": Rail.BANK_APP,
    "BLIK": Rail.BANK_APP,
    "FAST": Rail.BANK_TRANSFER,
    "FASTER PAYMENTS": Rail.BANK_TRANSFER,
    "GCASH": Rail.E_WALLET,
    "IMPS": Rail.BANK_TRANSFER,
    "INTERAC": Rail.BANK_TRANSFER,
    "KHIPU": Rail.BANK_APP,
    "MOBILE CARRIER": Rail.MOBILE_MONEY,
    "MOBILE MONEY": Rail.MOBILE_MONEY,
    "MPESA PAYBILL": Rail.MOBILE_MONEY,
    "OPEN BANKING": Rail.BANK_APP,
    "PIX": Rail.BANK_APP,
    "QRIS": Rail.QR_CODE,
    "SPEI": Rail.BANK_TRANSFER,
    "THAI QR": Rail.QR_CODE,
    "UPI": Rail.BANK_APP,
    "VIET QR": Rail.QR_CODE,
    "WIRE": Rail.BANK_TRANSFER,
    "WIREAR": Rail.BANK_TRANSFER,
    "WIREPE INTERBANK": Rail.BANK_TRANSFER,
}
_BY_KIND = {PaymentKind.BANK_TRANSFER: Rail.BANK_TRANSFER, PaymentKind.E_WALLET: Rail.E_WALLET}


def rail_of(code: str, kind: PaymentKind) -> Rail:
    """Return the rail of a method; for an unlisted code, the rail that its kind implies, else `OTHER`."""
    plain = plain_method(code)
    if plain.endswith("BANK TRANSFER"):
        return Rail.BANK_TRANSFER
    return _RAILS.get(plain, _BY_KIND.get(kind, Rail.OTHER))


def rail_text(rail: Rail) -> str:
    """Return the translated name of a rail."""
    return {
        Rail.BANK_TRANSFER: _("Bank transfer"),
        Rail.BANK_APP: _("In your bank's app"),
        Rail.QR_CODE: _("By QR code"),
        Rail.MOBILE_MONEY: _("Mobile money"),
        Rail.E_WALLET: _("E-wallet"),
        Rail.OTHER: _("You choose how on the payment page"),
    }[rail]
