"""Built-in tables of the provider's currencies, coins and networks. The live maps come from its API.

Source: the provider's documentation (tests/fixtures/onramp/fiat_types.json). Countries are ISO 3166-1, which
reserves `EU`; it stands for the euro area here. Currencies and their decimals are ISO 4217, except the naira:
ISO gives it two decimals, but the provider's page takes only whole nairas.
"""

from collections.abc import Mapping

from onramp_app.providers.port import FiatType
from onramp_app.providers.status import Flow

_BUY, _SELL = frozenset({Flow.BUY}), frozenset({Flow.SELL})
_BOTH = _BUY | _SELL

FIAT_TYPES: Mapping[int, FiatType] = {
    row.fiat_type: row
    for row in (
        FiatType(1, "INR", "INR", "IN", "Indian Rupee", flows=_BOTH),
        FiatType(2, "TRY", "TRY", "TR", "Turkish Lira", flows=_BOTH),
        FiatType(3, "AED", "AED", "AE", "UAE Dirham", flows=_BUY),
        FiatType(4, "MXN", "MXN", "MX", "Mexican Peso", flows=_BOTH),
        FiatType(5, "VND", "VND", "VN", "Vietnamese Dong", flows=_BOTH, decimals=0),
        FiatType(6, "NGN", "NGN", "NG", "Nigerian Naira", flows=_BOTH, decimals=0),
        FiatType(7, "BRL", "BRL", "BR", "Brazilian Real", flows=_BOTH),
        FiatType(8, "PEN", "PEN", "PE", "Peruvian Sol", flows=_BOTH),
        FiatType(9, "COP", "COP", "CO", "Colombian Peso", flows=_BOTH),
        FiatType(10, "CLP", "CLP", "CL", "Chilean Peso", flows=_BOTH, decimals=0),
        FiatType(11, "PHP", "PHP", "PH", "Philippine Peso", flows=_BOTH),
        FiatType(12, "EUR", "EUR", "EU", "Euro", flows=_BOTH),
        FiatType(14, "IDR", "IDR", "ID", "Indonesian Rupiah", flows=_BOTH),
        FiatType(15, "KES", "KES", "KE", "Kenyan Shilling", flows=_BOTH),
        FiatType(16, "GHS", "GHS", "GH", "Ghanaian Cedi", flows=_BOTH),
        FiatType(17, "RAND", "ZAR", "ZA", "South African Rand", flows=_BUY),
        FiatType(18, "RWF", "RWF", "RW", "Rwandan Franc", flows=_BOTH, decimals=0),
        FiatType(19, "XAF", "XAF", "CM", "Central African CFA Franc", flows=_BOTH, decimals=0),
        FiatType(20, "GBP", "GBP", "GB", "Pound Sterling", flows=_BOTH),
        FiatType(21, "USD", "USD", "US", "United States Dollar", flows=_BUY),
        FiatType(22, "BWP", "BWP", "BW", "Botswana Pula", flows=_BOTH),
        FiatType(23, "MWK", "MWK", "MW", "Malawian Kwacha", flows=_BOTH),
        FiatType(24, "TZS", "TZS", "TZ", "Tanzanian Shilling", flows=_BOTH),
        FiatType(25, "UGX", "UGX", "UG", "Ugandan Shilling", flows=_BOTH, decimals=0),
        FiatType(26, "ZMW", "ZMW", "ZM", "Zambian Kwacha", flows=_BOTH),
        FiatType(27, "THB", "THB", "TH", "Thai Baht"),
        FiatType(28, "MYR", "MYR", "MY", "Malaysian Ringgit"),
        FiatType(29, "ARS", "ARS", "AR", "Argentine Peso", flows=_BOTH),
        FiatType(30, "AUD", "AUD", "AU", "Australian Dollar"),
        FiatType(31, "EGP", "EGP", "EG", "Egyptian Pound"),
        FiatType(32, "LKR", "LKR", "LK", "Sri Lankan Rupee"),
        FiatType(33, "PLN", "PLN", "PL", "Polish Zloty", flows=_BUY),
        FiatType(34, "TWN", "TWD", "TW", "New Taiwan Dollar"),
        FiatType(35, "SGD", "SGD", "SG", "Singapore Dollar"),
        FiatType(36, "NZD", "NZD", "NZ", "New Zealand Dollar"),
        FiatType(37, "JPY", "JPY", "JP", "Japanese Yen", decimals=0),
        FiatType(38, "KRW", "KRW", "KR", "South Korean Won", decimals=0),
        FiatType(39, "XOF", "XOF", "BJ", "West African CFA Franc", flows=_BUY, decimals=0),
        FiatType(40, "CDF", "CDF", "CD", "Congolese Franc", flows=_BUY),
        FiatType(41, "GAB", "XAF", "GA", "Central African CFA Franc", flows=_BUY, decimals=0),
        FiatType(42, "COG", "XAF", "CG", "Central African CFA Franc", flows=_BUY, decimals=0),
        FiatType(43, "USD", "USD", "EC", "United States Dollar", flows=_SELL),
        FiatType(44, "PYG", "PYG", "PY", "Paraguayan Guarani", flows=_SELL, decimals=0),
        FiatType(45, "UYU", "UYU", "UY", "Uruguayan Peso", flows=_SELL),
        FiatType(46, "USD", "USD", "PA", "United States Dollar", flows=_SELL),
        FiatType(47, "CRC", "CRC", "CR", "Costa Rican Colón", flows=_SELL),
        FiatType(48, "GTQ", "GTQ", "GT", "Guatemalan Quetzal", flows=_SELL),
        FiatType(49, "USD", "USD", "SV", "United States Dollar", flows=_SELL),
        FiatType(50, "CAD", "CAD", "CA", "Canadian Dollar", flows=_BOTH),
        FiatType(51, "BOB", "BOB", "BO", "Bolivian Boliviano", flows=_SELL),
        FiatType(52, "VES", "VES", "VE", "Venezuelan Bolívar Soberano", flows=_SELL),
    )
}

CHAIN_SYMBOLS: Mapping[int, str] = {
    0: "erc20",
    1: "bep20",
    2: "trc20",
    3: "matic20",
    4: "spl",
    5: "bep2",
    10: "matic20-test",
    13: "arbitrum",
    15: "ton",
    10518: "xdc",
    10525: "monad",
}
TEST_CHAIN_IDS = frozenset({10})
COIN_SYMBOLS: Mapping[int, str] = {0: "btc", 6: "eth", 54: "usdt", 72: "bnb", 83: "matic", 116: "usdc"}


def currency_of_fiat_type(fiat_type: int | None) -> str | None:
    """Return the ISO 4217 code of a fiat type, or None for an unknown or missing fiat type."""
    row = FIAT_TYPES.get(fiat_type) if fiat_type is not None else None
    return row.currency if row else None
