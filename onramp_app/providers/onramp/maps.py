"""The provider's currencies, coins and networks: the tables to start with. Live maps come from its API.

Source: the provider's documentation (tests/fixtures/onramp/fiat_types.json); countries are ISO 3166-1,
currencies and their decimals ISO 4217. `EU` is reserved there for the euro area.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_CURRENCIES = {"RAND": "ZAR", "TWN": "TWD", "GAB": "XAF", "COG": "XAF"}


@dataclass(frozen=True, slots=True)
class FiatType:
    """One fiat type of the provider's, with the symbol it uses.

    `flows` has b where the provider sells coins for this money and s where it buys them. `decimals` is
    how many digits after the point the currency has.
    """

    fiat_type: int
    symbol: str
    country: str
    name: str
    flows: str = ""
    decimals: int = 2

    @property
    def currency(self) -> str:
        """The ISO 4217 code; a few of the provider's symbols are its own."""
        return _CURRENCIES.get(self.symbol, self.symbol)

    @property
    def can_buy(self) -> bool:
        """Whether coins can be bought with this money."""
        return "b" in self.flows


FIAT_TYPES: Mapping[int, FiatType] = {
    row.fiat_type: row
    for row in (
        FiatType(1, "INR", "IN", "Indian Rupee", flows="bs"),
        FiatType(2, "TRY", "TR", "Turkish Lira", flows="bs"),
        FiatType(3, "AED", "AE", "UAE Dirham", flows="b"),
        FiatType(4, "MXN", "MX", "Mexican Peso", flows="bs"),
        FiatType(5, "VND", "VN", "Vietnamese Dong", flows="bs", decimals=0),
        FiatType(6, "NGN", "NG", "Nigerian Naira", flows="bs"),
        FiatType(7, "BRL", "BR", "Brazilian Real", flows="bs"),
        FiatType(8, "PEN", "PE", "Peruvian Sol", flows="bs"),
        FiatType(9, "COP", "CO", "Colombian Peso", flows="bs"),
        FiatType(10, "CLP", "CL", "Chilean Peso", flows="bs", decimals=0),
        FiatType(11, "PHP", "PH", "Philippine Peso", flows="bs"),
        FiatType(12, "EUR", "EU", "Euro", flows="bs"),
        FiatType(14, "IDR", "ID", "Indonesian Rupiah", flows="bs"),
        FiatType(15, "KES", "KE", "Kenyan Shilling", flows="bs"),
        FiatType(16, "GHS", "GH", "Ghanaian Cedi", flows="bs"),
        FiatType(17, "RAND", "ZA", "South African Rand", flows="b"),
        FiatType(18, "RWF", "RW", "Rwandan Franc", flows="bs", decimals=0),
        FiatType(19, "XAF", "CM", "Central African CFA Franc", flows="bs", decimals=0),
        FiatType(20, "GBP", "GB", "Pound Sterling", flows="bs"),
        FiatType(21, "USD", "US", "United States Dollar", flows="b"),
        FiatType(22, "BWP", "BW", "Botswana Pula", flows="bs"),
        FiatType(23, "MWK", "MW", "Malawian Kwacha", flows="bs"),
        FiatType(24, "TZS", "TZ", "Tanzanian Shilling", flows="bs"),
        FiatType(25, "UGX", "UG", "Ugandan Shilling", flows="bs", decimals=0),
        FiatType(26, "ZMW", "ZM", "Zambian Kwacha", flows="bs"),
        FiatType(27, "THB", "TH", "Thai Baht"),
        FiatType(28, "MYR", "MY", "Malaysian Ringgit"),
        FiatType(29, "ARS", "AR", "Argentine Peso", flows="bs"),
        FiatType(30, "AUD", "AU", "Australian Dollar"),
        FiatType(31, "EGP", "EG", "Egyptian Pound"),
        FiatType(32, "LKR", "LK", "Sri Lankan Rupee"),
        FiatType(33, "PLN", "PL", "Polish Zloty", flows="b"),
        FiatType(34, "TWN", "TW", "New Taiwan Dollar"),
        FiatType(35, "SGD", "SG", "Singapore Dollar"),
        FiatType(36, "NZD", "NZ", "New Zealand Dollar"),
        FiatType(37, "JPY", "JP", "Japanese Yen", decimals=0),
        FiatType(38, "KRW", "KR", "South Korean Won", decimals=0),
        FiatType(39, "XOF", "BJ", "West African CFA Franc", flows="b", decimals=0),
        FiatType(40, "CDF", "CD", "Congolese Franc", flows="b"),
        FiatType(41, "GAB", "GA", "Central African CFA Franc", flows="b", decimals=0),
        FiatType(42, "COG", "CG", "Central African CFA Franc", flows="b", decimals=0),
        FiatType(43, "USD", "EC", "United States Dollar", flows="s"),
        FiatType(44, "PYG", "PY", "Paraguayan Guarani", flows="s", decimals=0),
        FiatType(45, "UYU", "UY", "Uruguayan Peso", flows="s"),
        FiatType(46, "USD", "PA", "United States Dollar", flows="s"),
        FiatType(47, "CRC", "CR", "Costa Rican Colón", flows="s"),
        FiatType(48, "GTQ", "GT", "Guatemalan Quetzal", flows="s"),
        FiatType(49, "USD", "SV", "United States Dollar", flows="s"),
        FiatType(50, "CAD", "CA", "Canadian Dollar", flows="bs"),
        FiatType(51, "BOB", "BO", "Bolivian Boliviano", flows="s"),
        FiatType(52, "VES", "VE", "Venezuelan Bolívar Soberano", flows="s"),
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
}
TEST_CHAIN_IDS = frozenset({10})
COIN_SYMBOLS: Mapping[int, str] = {0: "btc", 6: "eth", 54: "usdt", 72: "bnb", 83: "matic", 116: "usdc"}


def currency_of(fiat_type: int | None) -> str | None:
    """Return the ISO 4217 code of a fiat type, or None when it is not known."""
    row = FIAT_TYPES.get(fiat_type) if fiat_type is not None else None
    return row.currency if row else None


def fiat_types_of(currency: str) -> tuple[FiatType, ...]:
    """Return every fiat type of a currency, the general one first: several countries can share one."""
    return tuple(row for row in FIAT_TYPES.values() if row.currency == currency)
