"""The things that go wrong on purpose: their names, what they take, and which of them are waiting."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from onramp_app.simulator.market.catalog import catalog
from onramp_app.simulator.store import Order, Store
from onramp_app.simulator.wire import now_ms

MAX_TIMES = 1_000_000


class UnusableScenario(ValueError):
    """The scenario or its value cannot be used; the text says why."""


def _nothing(value: Any) -> None:
    if value is not None:
        raise UnusableScenario("takes no value")


def _decimal(low: str, high: str, default: str | None) -> Callable[[Any], Decimal | None]:
    def parse(value: Any) -> Decimal | None:
        if value is None:
            return None if default is None else Decimal(default)
        try:
            number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or not Decimal(low) <= number <= Decimal(high):
            raise UnusableScenario(f"takes a number from {low} to {high}")
        return number

    return parse


def _integer(low: int, high: int, default: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if value is None:
            return default
        text = str(value).strip()
        if isinstance(value, bool) or not text.lstrip("-").isdecimal() or not low <= int(text[:9]) <= high:
            raise UnusableScenario(f"takes a whole number from {low} to {high}")
        return int(text)

    return parse


def _text(value: Any) -> str | None:
    if value is not None and (
        not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable()
    ):
        raise UnusableScenario("takes a text of 1 to 200 printable characters")
    return value


def _fields(value: Any) -> dict[str, Any] | None:
    if value is not None and (not isinstance(value, dict) or len(value) > 30):
        raise UnusableScenario("takes an object of fields")
    return value


def _asset(value: Any) -> list[Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"coinCode", "network"}:
        raise UnusableScenario("takes an object of coinCode and network")
    coin = catalog().coins.get(str(value["coinCode"]).lower())
    network = catalog().network_by_symbol(str(value["network"]))
    if coin is None or network is None or network.chain_id not in coin.fees:
        raise UnusableScenario("takes a coin and a network that carries it")
    return [coin.code, network.chain_id]


def _node(value: Any) -> dict[str, Any]:
    fields = {"coinCode": "usdt", "network": "matic20"} if value is None else value
    if not isinstance(fields, dict) or fields.get("closed", False) not in (True, False):
        raise UnusableScenario('takes an object of coinCode, network and maybe "closed": true')
    pair = _asset({name: text for name, text in fields.items() if name != "closed"})
    assert pair is not None  # noqa: S101 - only None gives None
    return {"coin": pair[0], "chain": pair[1], "closed": fields.get("closed", False)}


def _choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value is None:
            return choices[0]
        if value not in choices:
            raise UnusableScenario(f"takes one of {', '.join(choices)}")
        return str(value)

    return parse


@dataclass(frozen=True)
class Kind:
    """One scenario by name: what it is about, what it does, how its value is read.

    `area` is `webhook`, `order`, `request`, `chain`, `kyc` or `widget`; `lasts` says that the value is a
    duration.
    """

    area: str
    explanation: str
    parse: Callable[[Any], Any]
    lasts: bool = False


KINDS: dict[str, Kind] = {
    "lost_webhook": Kind("webhook", "The webhook is never sent.", _nothing),
    "duplicate_webhooks": Kind("webhook", "The webhook is sent so many times (3).", _integer(2, 100, 3)),
    "out_of_order": Kind("webhook", "A second webhook with an earlier status follows.", _nothing),
    "delayed_webhook": Kind(
        "webhook", "The webhook is sent so many seconds later (10).", _decimal("0", "3600", "10")
    ),
    "forged_signature": Kind("webhook", "Only a webhook signed with a wrong secret is sent, once.", _nothing),
    "stale_timestamp": Kind(
        "webhook", "The signed time is so many seconds old (86400).", _decimal("1", "100000000", "86400")
    ),
    "rotated_key": Kind("webhook", "The webhook is signed with the next secret, or this one.", _text),
    "header_without_body": Kind("webhook", "The signed header holds the time alone.", _nothing),
    "header_is_body": Kind("webhook", "The signed header is the body itself, without a time.", _nothing),
    "body_differs": Kind(
        "webhook", "The unsigned body says something else (ten times the amount, or these fields).", _fields
    ),
    "amount_mismatch": Kind(
        "order", "The person paid another amount: status -4 instead of a purchase.", _nothing
    ),
    "name_mismatch": Kind(
        "order", "The bank account is somebody else's: status -3 instead of a purchase.", _nothing
    ),
    "short_delivery": Kind(
        "order", "Less is bought than expected (factor 0.8).", _decimal("0.01", "0.999999", "0.8")
    ),
    "over_delivery": Kind(
        "order", "More is bought than expected (factor 1.5).", _decimal("1.000001", "1000", "1.5")
    ),
    "wrong_address": Kind("order", "The order delivers to another address.", _text),
    "wrong_asset": Kind(
        "order", 'The order is for another coin: {"coinCode", "network"} (USDC on matic20).', _asset
    ),
    "unknown_order": Kind("order", "The order carries no recognition id, or this one.", _text),
    "unknown_status": Kind(
        "order", "A status nobody knows instead of a purchase (77).", _integer(-999, 999, 77)
    ),
    "second_payment": Kind("order", "The same link is paid a second time.", _nothing),
    "begun_long_ago": Kind("order", "The order was created so many days ago (45).", _integer(1, 3650, 45)),
    "over_limit": Kind(
        "order", "The person pays so many times the amount (10).", _decimal("1.01", "1000000", "10")
    ),
    "settled_then_failed": Kind(
        "order", "Once it was read as delivered, the order fails (-2).", _integer(-999, 999, -2)
    ),
    "late_payment": Kind("order", "The order times out and is paid once that was read.", _nothing),
    "late_after_cancel": Kind(
        "order", "The order stays open so many seconds (5) and is paid then.", _decimal("0", "3600", "5")
    ),
    "api_down": Kind(
        "request", "503, so many times or for these seconds.", _decimal("0.1", "86400", None), lasts=True
    ),
    "api_slow": Kind("request", "Answers take so many seconds (3).", _decimal("0.01", "120", "3")),
    "rate_limited": Kind("request", "429 with Retry-After of so many seconds (2).", _integer(0, 3600, 2)),
    "clock_skew": Kind(
        "request", "The provider's clock is off by so many seconds (-30).", _decimal("-86400", "86400", "-30")
    ),
    "history_lags": Kind(
        "request", "merchantHistory is so many seconds behind (5).", _decimal("0.1", "86400", "5")
    ),
    "short_pages": Kind(
        "request", "merchantHistory gives no more than so many orders a page (20).", _integer(1, 500, 20)
    ),
    "plain_400": Kind("request", "A refusal has code 400 and says why in words only.", _nothing),
    "node_out_of_sync": Kind(
        "request",
        'The node of a coin is out of sync: {"coinCode", "network"} (USDT on matic20); with "closed": true '
        "its deposits are closed instead.",
        _node,
    ),
    "chain_differs": Kind(
        "order", "The chain moves so many times the amount (0.9).", _decimal("0.000001", "1000", "0.9")
    ),
    "chain_missing": Kind(
        "order",
        "No transaction is found, it failed, it went elsewhere, or the order names none.",
        _choice("absent", "failed", "elsewhere", "no_hash"),
    ),
    "chain_slow": Kind(
        "order", "The transaction is mined so many seconds later (10).", _decimal("0.1", "86400", "10")
    ),
    "chain_reorganised": Kind(
        "order",
        "The block leaves the chain once it was read: before its confirmations, or after them.",
        _choice("before", "after"),
    ),
    "chain_same_hash": Kind(
        "order", "The order names the transaction of the delivery before it on this chain.", _nothing
    ),
    "chain_away": Kind(
        "chain",
        "The chain's servers answer 503, so many times or for these seconds.",
        _decimal("0.1", "86400", None),
        lasts=True,
    ),
    "kyc_rejected": Kind(
        "kyc", "The next verification is refused.", _choice("PERMANENT_FAILED", "TEMPORARY_FAILED")
    ),
    "kyc_resubmit": Kind("kyc", "The next verification has to be tried again.", _nothing),
    "kyc_slow": Kind(
        "kyc", "The next verification is in review for so many seconds (10).", _decimal("0.1", "86400", "10")
    ),
    "vocabulary": Kind("widget", "Which messages the payment page posts.", _choice("outcome", "steps")),
}


@dataclass
class Scenario:
    """A waiting scenario. `times` None: until cleared; `until_ms`: until a moment, however often."""

    scenario_id: int
    name: str
    times: int | None
    order_id: int | None
    value: Any
    until_ms: int | None


class Scenarios:
    """The waiting scenarios, kept in the store and in memory because every request asks for them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waiting: list[Scenario] = []
        self.load()

    def load(self) -> None:
        """Read them from the store."""
        self.waiting = [Scenario(**row) for row in self._store.scenario_rows()]

    def add(self, name: Any, *, times: Any, order_id: Any, value: Any) -> Scenario:
        """Keep a scenario.

        Raises:
            UnusableScenario: unknown name, a value or count out of range, or an order it cannot have.
        """
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise UnusableScenario(f"name must be one of {', '.join(KINDS)}")
        if times is not None and (
            isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= MAX_TIMES
        ):
            raise UnusableScenario(f"times must be null or a whole number from 1 to {MAX_TIMES}")
        if order_id is not None:
            if kind.area not in ("webhook", "order"):
                raise UnusableScenario(f"{name} is not about one order: order_id must be null")
            if (
                isinstance(order_id, bool)
                or not isinstance(order_id, int)
                or self._store.order(order_id) is None
            ):
                raise UnusableScenario("order_id is not an order")
        try:
            parsed = kind.parse(value)
        except UnusableScenario as error:
            raise UnusableScenario(f"value: {name} {error}") from None
        until_ms = now_ms() + int(parsed * 1000) if kind.lasts and parsed is not None else None
        scenario_id = self._store.add_scenario(
            name, times=times, order_id=order_id, value=parsed, until_ms=until_ms
        )
        self.load()
        return next(scenario for scenario in self.waiting if scenario.scenario_id == scenario_id)

    def clear(self) -> None:
        """Forget all of them."""
        self._store.clear_scenarios()
        self.waiting = []

    def take(self, name: str, order: Order | None = None) -> Scenario | None:
        """Return the scenario if it happens now, and count it. One scenario happens once to one order."""
        for scenario in self.waiting:
            if scenario.name != name:
                continue
            if scenario.until_ms is not None:
                if now_ms() < scenario.until_ms:
                    return scenario
                self._count(scenario, 0)
                return self.take(name, order)
            if order is not None:
                if scenario.order_id not in (None, order.order_id):
                    continue
                if scenario.scenario_id in order.applied:
                    continue
                order.applied.append(scenario.scenario_id)
            if scenario.times is not None:
                self._count(scenario, scenario.times - 1)
            return scenario
        return None

    def _count(self, scenario: Scenario, times: int) -> None:
        scenario.times = times
        self._store.set_scenario_times(scenario.scenario_id, times)
        if not times:
            self.waiting.remove(scenario)
