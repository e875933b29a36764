"""What networks, assets and payment methods are called: people do not pay with `matic20`."""

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
    "SOL": "Solana",
    "TON": "Toncoin",
    "USDC": "USD Coin",
    "USDT": "Tether",
    "XRP": "XRP",
}
_METHODS = {
    "ACH": "ACH",
    "BANCOLOMBIA": "Bancolombia",
    "FASTER_PAYMENTS": "Faster Payments",
    "GCASH": "GCash",
    "IMPS": "IMPS",
    "KHIPU": "Khipu",
    "MPESA_PAYBILL": "M-Pesa Paybill",
    "OPEN_BANKING": "Open Banking",
    "PIX": "Pix",
    "SEPA_BANK_TRANSFER": "SEPA transfer",
    "SPEI": "SPEI",
    "THAI_QR": "Thai QR",
    "UPI": "UPI",
    "VIET-QR": "VietQR",
    "WIREAR": "Wire transfer",
    "WIREPE-INTERBANK": "Interbank transfer",
}
_SHORT_FORMS = {"Qr": "QR", "Upi": "UPI", "Try": "TRY", "Aed": "AED", "Ng": "NG", "Idr": "IDR", "Zar": "ZAR"}


def network_name(network: str) -> str:
    """Return `Polygon` for `matic20`; a network without a name is called by its code."""
    return _NETWORKS.get(network, network)


def asset_name(asset: str) -> str:
    """Return `Tether` for `USDT`; an asset without a name is called by its code."""
    return _ASSETS.get(asset, asset)


def method_name(code: str) -> str:
    """Return `SEPA transfer` for `SEPA_BANK_TRANSFER`, and readable words for a code that is new to us."""
    if code in _METHODS:
        return _METHODS[code]
    words = code.replace("_", " ").replace("-", " ").split()
    said = [_SHORT_FORMS.get(word.capitalize(), word.lower()) for word in words]
    first = said[0] if said and said[0].isupper() else (said[0].capitalize() if said else code)
    return " ".join([first, *said[1:]])
