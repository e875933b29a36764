"""Payment methods as people call them, out of the provider's codes."""

from onramp_app.texts import _


def method_text(code: str) -> str:
    """Return a method inside a sentence: `UPI`, or `bank transfer` for `NG-BANK-TRANSFER`."""
    plain = code.replace("-", " ").replace("_", " ").strip().upper()
    if plain.endswith("BANK TRANSFER"):
        return _("bank transfer")
    names = {
        "FASTER PAYMENTS": "Faster Payments",
        "GCASH": "GCash",
        "INSTANT": _("instant payment"),
        "KHIPU": "Khipu",
        "MPESA PAYBILL": "M-Pesa Paybill",
        "PIX": "Pix",
        "THAI QR": "Thai QR",
        "VIET QR": "VietQR",
        "MOBILE CARRIER": _("mobile carrier"),
        "MOBILE MONEY": _("mobile money"),
        "OPEN BANKING": _("open banking"),
    }
    return names.get(plain, plain.title() if len(plain) > len("SPEI") else plain)
