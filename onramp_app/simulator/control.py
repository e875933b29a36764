"""The control API: orders moved by hand, scenarios, the seed, and the count of requests."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onramp_app.simulator.api import Api
from onramp_app.simulator.market.catalog import catalog
from onramp_app.simulator.orders import AmountTooSmall, Orders
from onramp_app.simulator.purchase import PARAMETERS, UnusableLink, parse_widget_url, read_purchase
from onramp_app.simulator.scenarios import KINDS, Scenario, Scenarios, UnusableScenario
from onramp_app.simulator.store import Order, Store
from onramp_app.simulator.webhooks import Webhooks
from onramp_app.simulator.wire import ProviderError, json_response, parse_json, read_limited, to_json

_MAX_LISTED = 1000
_MAX_SEED = 2**63 - 1


class UnusableControl(ValueError):
    """A control request cannot be done; the text says why."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def _fields(body: Any, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise UnusableControl("the body must be a JSON object")
    unknown = set(body) - set(required) - set(optional)
    if unknown:
        raise UnusableControl(f"unknown field: {', '.join(sorted(unknown))}")
    missing = [name for name in required if name not in body]
    if missing:
        raise UnusableControl(f"missing field: {', '.join(missing)}")
    return body


def _integer(value: Any, name: str, *, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UnusableControl(f"{name} must be a whole number from {low} to {high}")
    return value


def _is_amount(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -40 and 0 <= value <= 10**24


def _parameter(name: str, value: Any) -> str:
    if name not in PARAMETERS:
        raise UnusableControl(f"overrides: {name} is not a parameter of the link")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise UnusableControl(f"overrides: {name} must be a text, a number or null")
    return str(value)


class Control:
    """What tests, and the page for a person, can do to the simulator."""

    def __init__(
        self, store: Store, scenarios: Scenarios, *, orders: Orders, webhooks: Webhooks, api: Api
    ) -> None:
        self.store = store
        self.scenarios = scenarios
        self.orders = orders
        self.webhooks = webhooks
        self.api = api

    def open_order(self, widget_url: Any, overrides: Any = None) -> Order:
        """Open an order as a person in the widget would. The order then stays where it is.

        Raises:
            UnusableControl: the link, an override or the amount cannot be used.
        """
        if not isinstance(widget_url, str):
            raise UnusableControl("widget_url must be a text")
        if overrides is not None and not isinstance(overrides, dict):
            raise UnusableControl("overrides must be an object")
        try:
            flow, values = parse_widget_url(widget_url)
            for name, value in (overrides or {}).items():
                if value is None:
                    values.pop(name, None)
                else:
                    values[name] = _parameter(name, value)
            purchase = read_purchase(catalog(), values, flow=flow)
            fiat_amount = self.orders.fiat_amount(purchase)
            if fiat_amount is None:
                raise UnusableControl("fiatAmount: is missing")
            return self.orders.open(purchase, fiat_amount=fiat_amount)
        except UnusableLink as error:
            raise UnusableControl(str(error)) from None
        except AmountTooSmall:
            raise UnusableControl("fiatAmount: is less than the network fee") from None

    def move_order(self, order_id: str, status: Any, actual: Any = None) -> Order:
        """Move an order as the provider would.

        Raises:
            UnusableControl: 404 for an unknown order, 422 for a status or amount that cannot be used.
        """
        order = self.store.order(int(order_id)) if order_id.isdecimal() and len(order_id) < 16 else None
        if order is None:
            raise UnusableControl("order does not exist", 404)
        _integer(status, "status", low=-999, high=999)
        amount: Decimal | None = None
        if actual is not None:
            try:
                amount = Decimal(str(actual))
            except InvalidOperation:
                amount = Decimal("NaN")
            if isinstance(actual, bool) or not _is_amount(amount):
                raise UnusableControl("actualCryptoAmount must be a decimal that is not negative")
        return self.orders.move(order, status, actual=amount)

    def set_seed(self, seed: Any) -> None:
        """Begin a new run, without orders, scenarios and counts. Raises UnusableControl."""
        self.orders.seed(_integer(seed, "seed", low=0, high=_MAX_SEED))
        self.api.reset()

    def order_view(self, order: Order) -> dict[str, Any]:
        """Return an order as the control API shows it."""
        return {
            **order.document,
            "flow": order.flow,
            "product": order.product,
            "plan": [step[0] for step in order.plan],
            "webhooks": [
                {"state": hook.state, "trials": hook.trials, "result": hook.result}
                for hook in self.store.webhooks(order.order_id)
            ],
        }

    def routes(self) -> list[Route]:
        """Return the routes under `/control`."""
        return [
            Route("/control/orders", _answered(self._post_order), methods=["POST"]),
            Route("/control/orders", _answered(self._get_orders), methods=["GET"]),
            Route("/control/orders/{order_id}", _answered(self._move_order), methods=["POST"]),
            Route("/control/scenario", _answered(self._post_scenario), methods=["POST"]),
            Route("/control/scenario", _answered(self._get_scenarios), methods=["GET"]),
            Route("/control/scenario", _answered(self._delete_scenarios), methods=["DELETE"]),
            Route("/control/seed", _answered(self._post_seed), methods=["POST"]),
            Route("/control/requests", _answered(self._get_requests), methods=["GET"]),
        ]

    def _post_order(self, body: Any, _request: Request) -> Any:
        fields = _fields(body, required=("widget_url",), optional=("overrides",))
        return {"orderId": self.open_order(fields["widget_url"], fields.get("overrides")).order_id}

    def _get_orders(self, _body: Any, request: Request) -> Any:
        unknown = set(request.query_params) - {"limit", "merchantRecognitionId"}
        if unknown:
            raise UnusableControl(f"unknown parameter: {', '.join(sorted(unknown))}")
        text = request.query_params.get("limit", "100")
        limit = _integer(
            int(text) if text.isdecimal() and len(text) < 9 else text, "limit", low=1, high=_MAX_LISTED
        )
        found = self.store.newest_orders(limit, request.query_params.get("merchantRecognitionId"))
        return {"items": [self.order_view(order) for order in found]}

    def _move_order(self, body: Any, request: Request) -> Any:
        fields = _fields(body, required=("status",), optional=("actualCryptoAmount",))
        order_id = request.path_params["order_id"]
        return self.order_view(self.move_order(order_id, fields["status"], fields.get("actualCryptoAmount")))

    def _post_scenario(self, body: Any, _request: Request) -> Any:
        fields = _fields(body, required=("name",), optional=("times", "order_id", "value"))
        try:
            scenario = self.scenarios.add(
                fields["name"],
                times=fields.get("times", 1),
                order_id=fields.get("order_id"),
                value=fields.get("value"),
            )
        except UnusableScenario as error:
            raise UnusableControl(str(error)) from None
        return _scenario_view(scenario)

    def _get_scenarios(self, _body: Any, _request: Request) -> Any:
        return {
            "items": [_scenario_view(scenario) for scenario in self.scenarios.waiting],
            "known": {name: kind.explanation for name, kind in KINDS.items()},
        }

    def _delete_scenarios(self, _body: Any, _request: Request) -> Any:
        self.scenarios.clear()
        return {"items": []}

    def _post_seed(self, body: Any, _request: Request) -> Any:
        self.set_seed(_fields(body, required=("seed",))["seed"])
        return {"seed": self.orders.seed_value}

    def _get_requests(self, _body: Any, _request: Request) -> Any:
        items: dict[tuple[str, str], dict[str, Any]] = {}
        for (method, path, status), count in sorted(self.api.counts.items()):
            item = items.setdefault(
                (method, path), {"method": method, "path": path, "total": 0, "by_status": {}}
            )
            item["total"] += count
            item["by_status"][str(status)] = count
        return {"items": list(items.values())}


def _scenario_view(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": scenario.scenario_id,
        "name": scenario.name,
        "times": scenario.times,
        "order_id": scenario.order_id,
        "value": scenario.value,
    }


def _answered(work: Callable[[Any, Request], Any]) -> Callable[[Request], Any]:
    """Read JSON, do the work, answer JSON; a refusal is `{"error": …}` with its status."""

    async def handle(request: Request) -> Response:
        try:
            raw = await read_limited(request)
            body = parse_json(raw) if raw else None
        except ProviderError as error:
            return _refused(error.message, error.code)
        except ValueError:
            return _refused("the body must be JSON", 422)
        try:
            return json_response(to_json(work(body, request)))
        except UnusableControl as error:
            return _refused(str(error), error.status)

    return handle


def _refused(message: str, status: int) -> Response:
    content: Mapping[str, Any] = {"error": message}
    return json_response(to_json(content), status)
