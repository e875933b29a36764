"""What a payment method is for the person who pays: by which rail the money goes, and how long that takes.

The provider numbers methods as instant transfer, instant bank transfer and e-wallet, and files wires among
the instant ones. A person is told what it is: these follow from the method's code.
"""

from enum import StrEnum

from onramp_app.domain.payments import PaymentKind
from onramp_app.pricing.names import plain_method
from onramp_app.texts import _


class Rail(StrEnum):
    """How somebody pays."""

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
    """Return the rail of a method; of one that is not known here, what its kind leaves no doubt about."""
    plain = plain_method(code)
    if plain.endswith("BANK TRANSFER"):
        return Rail.BANK_TRANSFER
    return _RAILS.get(plain, _BY_KIND.get(kind, Rail.OTHER))


def rail_text(rail: Rail) -> str:
    """Return what a rail is called."""
    return {
        Rail.BANK_TRANSFER: _("Bank transfer"),
        Rail.BANK_APP: _("In your bank's app"),
        Rail.QR_CODE: _("By QR code"),
        Rail.MOBILE_MONEY: _("Mobile money"),
        Rail.E_WALLET: _("E-wallet"),
        Rail.OTHER: _("You choose how on the payment page"),
    }[rail]
