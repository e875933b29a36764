"""Orders: opening them, walking them through their statuses, and what scenarios make of them on the way."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from onramp_app.simulator.chain import Chain
from onramp_app.simulator.market.catalog import BUY, SELL, Coin, Fiat, catalog
from onramp_app.simulator.market.prices import Terms, cut, draw, fiat_for, price, terms
from onramp_app.simulator.purchase import Purchase
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.store import Order, Store
from onramp_app.simulator.webhooks import Timing, Webhooks
from onramp_app.simulator.wire import iso_time, now_ms

BOUGHT = frozenset({3, 13, 14, 4, 15, 5, 16})  # from here on it is known how much was bought
DELIVERED = frozenset({4, 15, 5, 16})
PAID = frozenset({2, 10, 11, 12}) | BOUGHT
_SOLD = frozenset({6, 14, 40, 19})
_SHORT_PATH = (0, 1, 2, 3, 4)
_LONG_PATH = (0, 1, 2, 11, 12, 13, 14, 15)
_FAILING_PATHS = {"fail": (0, 1, -1), "abandon": (0, -2)}
_AFTER_WEBHOOK = {BUY: {4: 5, 15: 16}, SELL: {6: 7, 14: 15, 40: 41}}
_OTHER_CHAIN = 3  # where `wrong_asset` delivers by default
_DAY_MS = 86_400_000
_TEMPOS_UNREAD = 15  # after so many tempos, a step that waits to be read goes on unread


class AmountTooSmall(ValueError):
    """The network's fee is more than what the amount buys."""


class Orders:
    """Everything that happens to an order. Times come from the wall clock, chance from the seed alone."""

    def __init__(
        self, store: Store, scenarios: Scenarios, *, webhooks: Webhooks, chain: Chain, timing: Timing
    ) -> None:
        self._store = store
        self._chain = chain
        self._scenarios = scenarios
        self._webhooks = webhooks
        self._tempo = timing.tempo_seconds
        self._webhooks.acknowledged = self._acknowledged
        self.white_label_moved: Callable[[Order], None] = lambda _order: None
        self.wake: Callable[[], None] = lambda: None
        if store.setting("seed") is None:
            # A random first seed keeps the ids of a new file apart from those an application already knows.
            self.seed(now_ms() % 1_000_000_007)

    def seed(self, seed: int) -> None:
        """Begin a new run: no orders, and ids, prices and amounts that this seed always gives."""
        with self._store.transaction():
            self._store.erase()
            for name, value in (("seed", seed), ("seeded_ms", now_ms()), ("opened", 0)):
                self._store.set_setting(name, str(value))
        self._scenarios.load()

    def _number(self, name: str) -> int:
        return int(self._store.setting(name) or 0)

    @property
    def seed_value(self) -> int:
        """The seed of this run."""
        return self._number("seed")

    def price(self, coin: Coin, fiat: Fiat) -> Decimal:
        """Return what one coin costs now."""
        elapsed_ms = now_ms() - self._number("seeded_ms")
        return price(coin, fiat, seed=self.seed_value, elapsed_ms=elapsed_ms)

    def quote(self, coin: Coin, chain_id: int, *, fiat: Fiat, fiat_amount: Decimal) -> Terms:
        """Return what an amount buys now. Raises AmountTooSmall."""
        found = terms(coin, chain_id, fiat=fiat, fiat_amount=fiat_amount, rate=self.price(coin, fiat))
        if found.quantity <= 0:
            raise AmountTooSmall
        return found

    def fiat_amount(self, purchase: Purchase) -> Decimal | None:
        """Return the fiat amount that a link asks for, worked out where only the coin amount is given."""
        if purchase.coin_amount is None:
            return purchase.fiat_amount
        rate = self.price(purchase.coin, purchase.fiat)
        return fiat_for(purchase.coin, purchase.network.chain_id, coin_amount=purchase.coin_amount, rate=rate)

    def open(self, purchase: Purchase, *, fiat_amount: Decimal, product: str = "widget") -> Order:
        """Open an order in status 0. Raises AmountTooSmall."""
        found = self.quote(
            purchase.coin, purchase.network.chain_id, fiat=purchase.fiat, fiat_amount=fiat_amount
        )
        created_ms = now_ms()
        with self._store.transaction():
            order = Order(
                order_id=self._next_id(),
                flow=purchase.flow,
                product=product,
                fiat_type=purchase.fiat.fiat_type,
                created_ms=created_ms,
                document={},
                facts={
                    "app_id": purchase.app_id,
                    "memo": purchase.memo,
                    "redirect_url": purchase.redirect_url,
                },
            )
            order.document = {
                "orderId": order.order_id,
                "walletAddress": purchase.address,
                "coinId": purchase.coin.coin_id,
                "fiatType": purchase.fiat.fiat_type,
                "paymentType": purchase.payment_method,
                **_money_fields(found),
                "actualPrice": 0,
                "actualCryptoAmount": 0,
                "kycNeeded": int(fiat_amount / purchase.fiat.per_usd > 500),
                "createdAt": iso_time(created_ms),
                "updatedAt": iso_time(created_ms),
                "status": 0,
                "transactionHash": None,
                "referenceId": None,
                "chainId": purchase.network.chain_id,
                "merchantRecognitionId": purchase.recognition_id,
            }
            self._at_opening(order)
            self._store.save_order(order)
        return order

    def _next_id(self) -> int:
        seed, opened = self.seed_value, self._number("opened")
        self._store.set_setting("opened", str(opened + 1))
        return 100_000 + draw(seed, "base") % 900_000_000 + 3 * opened + draw(seed, "id", opened) % 3

    def start(self, order: Order, action: str = "pay") -> None:
        """Let an order walk through its statuses: `pay`, `fail` or `abandon`."""
        if action == "pay":
            path: tuple[int, ...] = _LONG_PATH if order.order_id % 2 else _SHORT_PATH
            if order.product == "white_label":
                path = (0, 10, 13, 14, 15)
        else:
            path = _FAILING_PATHS[action]
        self._plan(order, path[1:])
        self._store.save_order(order)
        self.wake()

    def _plan(self, order: Order, statuses: tuple[int, ...], *, first_seconds: Decimal | None = None) -> None:
        order.plan = [[status, self._tempo, False] for status in statuses]
        if first_seconds is not None:
            order.plan[0][1] = first_seconds
        self._schedule(order)

    def _plan_when_read(self, order: Order, statuses: tuple[int, ...]) -> None:
        order.plan = [[status, self._tempo, False] for status in statuses]
        order.plan[0][2] = True
        self._schedule(order)

    def _schedule(self, order: Order) -> None:
        if not order.plan:
            order.waiting, order.due_ms = False, None
            return
        _, after_seconds, when_read = order.plan[0]
        seconds = self._tempo * _TEMPOS_UNREAD if when_read else after_seconds
        order.waiting = when_read
        order.due_ms = now_ms() + int(seconds * 1000)

    def was_read(self, order_ids: list[int]) -> None:
        """Note that the merchant has seen these orders as they are."""
        self._store.mark_read(order_ids, now_ms() + int(self._tempo * 1000))
        self.wake()

    def run_due(self) -> None:
        """Take every step that is due."""
        for order in self._store.due_orders(now_ms()):
            status = order.plan.pop(0)[0]
            self._schedule(order)
            self._move(order, status)

    def move(self, order: Order, status: int, *, actual: Decimal | None = None) -> Order:
        """Move an order by hand. Afterwards the order walks no further on its own; scenarios still apply.

        Args:
            actual: the amount bought, printed as it is, zero included; None lets the simulator work it out.
        """
        order.plan = []
        self._schedule(order)
        self._move(order, status, actual=actual)
        self.wake()
        return order

    def _move(self, order: Order, status: int, *, actual: Decimal | None = None) -> None:
        with self._store.transaction():
            self._at_opening(order)
            if order.flow == BUY and order.product == "widget":
                status = self._detour(order, status)
            self._fill(order, status, actual)
            order.document["status"] = status
            order.document["updatedAt"] = iso_time(now_ms())
            done = DELIVERED if order.flow == BUY else _SOLD if order.flow == SELL else frozenset()
            completes = status in done and not order.facts.get("completed")
            if completes:
                order.facts["completed"] = True
            if order.product == "white_label":
                self._store.save_order(order)
                self.white_label_moved(order)
            elif completes:
                self._complete(order)
            self._store.save_order(order)

    def _complete(self, order: Order) -> None:
        self._webhooks.purchase_completed(order)
        failing = self._scenarios.take("settled_then_failed", order)
        if failing:
            self._plan_when_read(order, (int(failing.value),))
        if order.flow == BUY and self._scenarios.take("second_payment", order):
            self._pay_again(order)

    def _pay_again(self, first: Order) -> None:
        now = now_ms()
        second = Order(
            order_id=self._next_id(),
            flow=first.flow,
            product=first.product,
            fiat_type=first.fiat_type,
            created_ms=now,
            document={
                **first.document,
                "createdAt": iso_time(now),
                "transactionHash": None,
                "referenceId": None,
            },
            applied=list(first.applied),
            facts={key: value for key, value in first.facts.items() if key not in ("completed", "sent")},
        )
        second.document["orderId"] = second.order_id
        self._move(second, first.status)

    def _at_opening(self, order: Order) -> None:
        """What a person may have changed in the unsigned link, before anything was bought."""
        if order.flow != BUY or order.product != "widget" or order.status in BOUGHT:
            return
        take, document = self._scenarios.take, order.document
        if scenario := take("wrong_address", order):
            address = scenario.value or "0x" + f"{draw(order.order_id, 'address'):040x}"
            document["walletAddress"] = address
        if scenario := take("wrong_asset", order):
            coins = catalog().coins
            other = "usdt" if document["coinId"] == coins["usdc"].coin_id else "usdc"
            code, chain_id = scenario.value or (other, _OTHER_CHAIN)
            document["coinId"], document["chainId"] = coins[code].coin_id, chain_id
            self._reprice(order, Decimal(document["fiatAmount"]))
        if scenario := take("unknown_order", order):
            document["merchantRecognitionId"] = scenario.value
        if scenario := take("begun_long_ago", order):
            order.created_ms -= int(scenario.value) * _DAY_MS
            document["createdAt"] = iso_time(order.created_ms)
        if scenario := take("over_limit", order):
            self._reprice(order, Decimal(document["fiatAmount"]) * Decimal(scenario.value))

    def _reprice(self, order: Order, fiat_amount: Decimal) -> None:
        order.document |= _money_fields(self._terms(order, fiat_amount))

    def _terms(self, order: Order, fiat_amount: Decimal) -> Terms:
        coin, fiat = self._coin(order), catalog().fiats[order.fiat_type]
        chain_id = int(order.document["chainId"])
        return terms(coin, chain_id, fiat=fiat, fiat_amount=fiat_amount, rate=self.price(coin, fiat))

    def _coin(self, order: Order) -> Coin:
        coin = catalog().coin_by_id(int(order.document["coinId"]))
        assert coin is not None  # noqa: S101 - orders are opened with coins of the catalog only
        return coin

    def _detour(self, order: Order, status: int) -> int:
        """Return the status an order takes instead, and plan what follows it."""
        take = self._scenarios.take
        rest = (2, 3, status if status in DELIVERED else 4)
        if order.status == 0 and status >= 1 and (late := take("late_after_cancel", order)):
            self._plan(order, rest, first_seconds=Decimal(late.value))
            return order.status
        if status in PAID and order.status not in PAID and take("late_payment", order):
            self._plan_when_read(order, rest)
            return -1
        if status in BOUGHT and order.status not in BOUGHT:
            for name, instead in (("amount_mismatch", -4), ("name_mismatch", -3), ("unknown_status", None)):
                if scenario := take(name, order):
                    self._plan(order, ())
                    return int(scenario.value) if instead is None else instead
        return status

    def _fill(self, order: Order, status: int, actual: Decimal | None) -> None:
        document = order.document
        seed = self.seed_value
        if status not in (0, -2) and document["referenceId"] is None:
            document["referenceId"] = f"{draw(seed, 'reference', order.order_id) % 10**12:012d}"
        if status not in BOUGHT and actual is None:
            return
        if order.flow == BUY:
            self._fill_amount(order, actual)
        elif actual is not None:
            document["actualCryptoAmount"] = actual
        if status in DELIVERED and not order.facts.get("sent"):
            order.facts["sent"] = True
            document["transactionHash"] = self._chain.deliver(order, seed=seed)

    def _fill_amount(self, order: Order, actual: Decimal | None) -> None:
        document, coin = order.document, self._coin(order)
        if actual is not None:
            document["actualCryptoAmount"] = actual
        elif not document["actualCryptoAmount"]:
            found = self._terms(order, Decimal(document["fiatAmount"]))
            document["actualPrice"], document["actualCryptoAmount"] = found.rate, found.bought
        for name in ("short_delivery", "over_delivery"):
            if scenario := self._scenarios.take(name, order):
                changed = Decimal(document["actualCryptoAmount"]) * Decimal(scenario.value)
                document["actualCryptoAmount"] = cut(changed, coin.places)

    def _acknowledged(self, order_id: int) -> None:
        order = self._store.order(order_id)
        if order is None or order.product != "widget":
            return
        following = _AFTER_WEBHOOK.get(order.flow, {}).get(order.status)
        if following is not None:
            order.document["status"] = following
            order.document["updatedAt"] = iso_time(now_ms())
            self._store.save_order(order)


def _money_fields(found: Terms) -> dict[str, Any]:
    """Return the fields of an order that hold money; its gas fee is in the coin, the others are fiat."""
    return {
        "expectedPrice": found.rate,
        "fiatAmount": found.fiat_amount,
        "expectedCryptoAmount": found.quantity,
        "onRampFee": found.onramp_fee,
        "gasFee": found.gas_coin,
        "clientFee": found.client_fee,
        "gatewayFee": found.gateway_fee,
    }
