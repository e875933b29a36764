"""What a widget link asks for. A link without a hash can be edited by anyone, so everything is checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl, urlencode, urlsplit

from onramp_app.simulator.market.catalog import BUY, SELL, SWAP, Catalog, Coin, Fiat, Network
from onramp_app.simulator.signing import API_SECRET, sign

PARAMETERS = (
    "appId",
    "walletAddress",
    "coinCode",
    "network",
    "fiatAmount",
    "coinAmount",
    "fiatType",
    "paymentMethod",
    "merchantRecognitionId",
    "redirectUrl",
    "addressTag",
    "phoneNumber",
    "lang",
    "isRestricted",
    "mode",
    "origin",
    "clientHeight",
    "urlHash",
    "vocabulary",
)
# What a link's hash covers. The web SDK adds the others to an address after it was made.
_HASHED = (
    "appId",
    "walletAddress",
    "coinCode",
    "network",
    "fiatAmount",
    "coinAmount",
    "fiatType",
    "merchantRecognitionId",
    "addressTag",
    "phoneNumber",
    "lang",
)
_LINK_KINDS = ("1", "2")  # Other kinds of payment can be chosen on the page only.
# With these ids, which belong to nobody, the person types the address that the coins go to.
DEMO_APP_IDS = (1, 2)
DEMO_ADDRESS = "0xd0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0"
LANGUAGES = ("en", "tr", "vi", "es", "pt", "fil", "th", "sw", "id")
VOCABULARIES = ("steps", "outcome")
_FLOW_PATHS = {"buy": BUY, "sell": SELL, "swap": SWAP}
_MAX_VALUE_LENGTH = 2048
_MAX_RECOGNITION_LENGTH = 64
MAX_AMOUNT = Decimal(10) ** 12


class UnusableLink(ValueError):
    """The link cannot be used; `problems` holds one sentence for each parameter at fault."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = problems


@dataclass(frozen=True)
class Purchase:
    """One checked link. At most one of the two amounts is set; without one the person types it."""

    flow: int
    app_id: int
    coin: Coin
    network: Network
    fiat: Fiat
    address: str | None
    memo: str | None
    fiat_amount: Decimal | None
    coin_amount: Decimal | None
    payment_method: int
    recognition_id: str | None
    redirect_url: str | None
    vocabulary: str


def amount_of(text: object) -> Decimal | None:
    """Read a positive amount of a sane size with at most 18 decimals; None when it is not one."""
    try:
        value = Decimal(str(text).strip())
    except InvalidOperation:
        return None
    if isinstance(text, bool) or not value.is_finite() or not 0 < value <= MAX_AMOUNT:
        return None
    exponent = value.as_tuple().exponent
    return value if isinstance(exponent, int) and exponent >= -18 else None


def link_hash(values: Mapping[str, str]) -> str:
    """Return the hash of a link: a changed, added or removed parameter gives another one."""
    covered = [(name, values[name]) for name in _HASHED if values.get(name)]
    return sign(API_SECRET, urlencode(covered))[:64]


def is_hashed(values: Mapping[str, str]) -> bool:
    """Whether a link carries a hash, so that nothing in it may be changed."""
    return bool(values.get("urlHash"))


def is_web_address(url: str) -> bool:
    """Whether a text is an http or https address with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()


def parse_widget_url(url: str) -> tuple[int, dict[str, str]]:
    """Return the flow and the parameters of a widget URL. Raises UnusableLink for any other address."""
    if len(url) > 4 * _MAX_VALUE_LENGTH:
        raise UnusableLink({"widget_url": "is too long"})
    found = re.search(r"/main/(buy|sell|swap)/?$", urlsplit(url).path) if is_web_address(url) else None
    if found is None:
        raise UnusableLink(
            {"widget_url": "must be an address that ends in /main/buy/, /main/sell/ or /main/swap/"}
        )
    try:
        values = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise UnusableLink({"widget_url": "has too many parameters"}) from None
    return _FLOW_PATHS[found[1]], values


class _Reader:
    """Reads parameters and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, str], catalog: Catalog) -> None:
        self.values = values
        self.catalog = catalog
        self.problems: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        value = self.values.get(name, "").strip()
        if len(value) > _MAX_VALUE_LENGTH:
            self.problems[name] = "is too long"
            return None
        return value or None

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value):
            self.problems[name] = "must be a whole number"
            return default
        return int(value)

    def amount(self, name: str) -> Decimal | None:
        value = self.text(name)
        if value is None:
            return None
        amount = amount_of(value)
        if amount is None:
            self.problems[name] = "must be a positive number"
        return amount

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(name) or default
        if value not in choices:
            self.problems[name] = f"must be one of {', '.join(choices)}"
            return default
        return value

    def asset(self) -> tuple[Coin, Network]:
        code = (self.text("coinCode") or "usdt").lower()
        symbol = self.text("network") or "matic20"
        coin, network = self.catalog.coins.get(code), self.catalog.network_by_symbol(symbol)
        if coin is None:
            self.problems["coinCode"] = "is not a coin that is offered"
        if network is None:
            self.problems["network"] = "is not a network that is offered"
        if coin is not None and network is not None and network.chain_id not in coin.fees:
            self.problems["network"] = f"does not carry {coin.code}"
        if self.problems:
            raise UnusableLink(self.problems)
        assert coin is not None and network is not None  # noqa: S101, PT018 - both were checked above
        return coin, network

    def address(self, network: Network, *, required: bool) -> str | None:
        value = self.text("walletAddress")
        if value is None:
            if required:
                self.problems["walletAddress"] = "is missing"
        elif not network.address.fullmatch(value):
            self.problems["walletAddress"] = f"is not an address of {network.symbol}"
        return value

    def memo(self, network: Network) -> str | None:
        value = self.text("addressTag")
        if value is not None and (network.memo is None or not network.memo.fullmatch(value)):
            self.problems["addressTag"] = f"is not a memo of {network.symbol}"
        return value

    def fiat(self, flow: int) -> Fiat:
        fiat = self.catalog.fiats.get(self.integer("fiatType", 1) or 0)
        offered = fiat is not None and {BUY: fiat.buy, SELL: fiat.sell}.get(flow, True)
        if fiat is None or not offered:
            self.problems["fiatType"] = "is not a currency that is offered"
            return self.catalog.fiats[1]
        return fiat

    def method(self, fiat: Fiat) -> int:
        kinds = method_kinds(self.catalog, fiat)
        if (self.text("paymentMethod") or "1") not in _LINK_KINDS:
            self.problems["paymentMethod"] = f"must be one of {', '.join(_LINK_KINDS)}"
        chosen = self.integer("paymentMethod", min(kinds.values()))
        if chosen not in kinds.values():
            self.problems.setdefault("paymentMethod", f"is not offered for {fiat.symbol}")
        return chosen or 1

    def redirect(self) -> str | None:
        value = self.text("redirectUrl")
        if value is not None and not is_web_address(value):
            self.problems["redirectUrl"] = "must begin with http:// or https://"
        return value


def method_kinds(catalog: Catalog, fiat: Fiat) -> dict[str, int]:
    """Return the methods of a currency; where none is published, both kinds by plain names."""
    return catalog.methods.get(fiat.fiat_type) or {"INSTANT": 1, "BANK_TRANSFER": 2}


def check_amount(catalog: Catalog, fiat: Fiat, amount: Decimal) -> str | None:
    """Return what is wrong with a fiat amount, or None. A currency without published limits has none here."""
    limits = catalog.limits.get(fiat.fiat_type)
    if limits is not None and not limits[0] <= amount <= limits[1]:
        return f"must be between {limits[0]} and {limits[1]} {fiat.symbol}"
    return None


def check_units(catalog: Catalog, fiat: Fiat, amount: Decimal) -> str | None:
    """Return what is wrong with the decimals of an amount on the page, or None."""
    if fiat.symbol in catalog.whole_units and amount != amount.to_integral_value():
        return f"must be whole {fiat.symbol}"
    return None


def read_purchase(catalog: Catalog, values: Mapping[str, str], *, flow: int) -> Purchase:
    """Check every documented parameter of a link; others are passed over, as the provider does.

    `coinAmount` beats `fiatAmount`. With a demo app id the address of the link is ignored.

    Raises:
        UnusableLink: with one sentence for each parameter that cannot be used.
    """
    if is_hashed(values) and values["urlHash"] != link_hash(values):
        raise UnusableLink({"urlHash": "does not fit the parameters"})
    reader = _Reader(values, catalog)
    app_id = reader.integer("appId")
    if app_id is None:
        reader.problems.setdefault("appId", "is missing")
    coin, network = reader.asset()
    fiat = reader.fiat(flow)
    if not catalog.is_sold(coin, network.chain_id, fiat) and flow == BUY:
        reader.problems.setdefault("coinCode", f"is not sold for {fiat.symbol} on this network")
    fiat_amount, coin_amount = reader.amount("fiatAmount"), reader.amount("coinAmount")
    if coin_amount is not None:
        fiat_amount = None
    if fiat_amount is not None:
        problem = check_amount(catalog, fiat, fiat_amount) or check_units(catalog, fiat, fiat_amount)
        if problem:
            reader.problems["fiatAmount"] = problem
    recognition_id = reader.text("merchantRecognitionId")
    if recognition_id and (len(recognition_id) > _MAX_RECOGNITION_LENGTH or not recognition_id.isprintable()):
        reader.problems["merchantRecognitionId"] = f"is longer than {_MAX_RECOGNITION_LENGTH} characters"
    phone = reader.text("phoneNumber")
    if phone and not re.fullmatch(r"\+?[0-9]{1,4}-[0-9]{4,15}", phone):
        reader.problems["phoneNumber"] = "must be a country code, a dash and a number"
    reader.one_of("lang", LANGUAGES, "en")
    address = reader.address(network, required=flow == BUY and app_id not in DEMO_APP_IDS)
    purchase = Purchase(
        flow=flow,
        app_id=app_id or 0,
        coin=coin,
        network=network,
        fiat=fiat,
        address=DEMO_ADDRESS if app_id in DEMO_APP_IDS else address,
        memo=reader.memo(network),
        fiat_amount=fiat_amount,
        coin_amount=coin_amount,
        payment_method=reader.method(fiat),
        recognition_id=recognition_id,
        redirect_url=reader.redirect(),
        vocabulary=reader.one_of("vocabulary", VOCABULARIES, "steps"),
    )
    if reader.problems:
        raise UnusableLink(reader.problems)
    return purchase
