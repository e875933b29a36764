"""Names of networks, assets and payment methods, looked up by the provider's codes."""

from onramp_app.texts import _

_NETWORKS = {
    "arbitrum": "Arbitrum",
    "bep2": "BNB Beacon Chain",
    "bep20": "BNB Smart Chain",
    "erc20": "Ethereum",
    "matic20": "Polygon",
    "matic20-test": "Polygon (test)",
    "spl": "Solana",
    "ton": "TON",
    "trc20": "Tron",
}
_ASSETS = {
    "BNB": "BNB",
    "BTC": "Bitcoin",
    "ETH": "Ethereum",
    "MATIC": "Polygon",
    "PYUSD": "PayPal USD",
    "SOL": "Solana",
    "TON": "Toncoin",
    "USDC": "USD Coin",
    "USDT": "Tether",
    "XRP": "XRP",
}


def network_name(network: str) -> str:
    """Return the name of a network, such as `Polygon` for `matic20`; its code where it has no name."""
    return _NETWORKS.get(network, network)


def asset_name(asset: str) -> str:
    """Return the name of an asset, such as `Tether` for `USDT`; its code where it has no name."""
    return _ASSETS.get(asset, asset)


def method_name(code: str) -> str:
    """Return a payment method's name as a label: `UPI`, or `Bank transfer` for `NG-BANK-TRANSFER`."""
    words = method_text(code)
    return words[:1].upper() + words[1:]


def plain_method(code: str) -> str:
    """Return a method's code in the form used for comparison: `NG BANK TRANSFER` for `NG-BANK-TRANSFER`."""
    return code.replace("-", " ").replace("_", " ").strip().upper()


def method_text(code: str) -> str:
    """Return a payment method's name for use inside a sentence: `UPI`, or `bank transfer`."""
    plain = plain_method(code)
    if plain == "SEPA BANK TRANSFER":
        return _("SEPA transfer")
    if plain.endswith("BANK TRANSFER"):
        return _("bank transfer")
    names = {
        "ACH": _("ACH transfer"),
        "E WALLET": _("e-wallet"),
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
        "WIRE": _("wire transfer"),
        "WIREAR": _("bank transfer"),
        "WIREPE INTERBANK": _("Interbank transfer"),
    }
    return names.get(plain, plain.title() if len(plain) > len("SPEI") else plain)
