"""The page at `/` for a person who tries things: orders with buttons, scenarios, the seed. Plain forms."""

import re
from decimal import Decimal
from html import escape
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from onramp_app.simulator.control import Control, UnusableControl
from onramp_app.simulator.market.catalog import BUY, SELL, catalog
from onramp_app.simulator.pages.frame import STATUS_WORDS, page, shortened
from onramp_app.simulator.scenarios import KINDS, UnusableScenario
from onramp_app.simulator.store import Order
from onramp_app.simulator.wire import ProviderError, number_text, parse_json, read_limited

_SHOWN_ORDERS = 50
_FLOW_TEXTS = {BUY: "buy", SELL: "sell"}
_BUTTONS = (1, 2, 3, 4, -1, -2, -3, -4)


class ControlPage:
    """Shows the simulator's state and takes its forms."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def routes(self) -> list[Route]:
        """Return the page's routes."""
        return [Route("/", self._show), Route("/", self._submit, methods=["POST"])]

    async def _show(self, _request: Request) -> Response:
        return self._page()

    async def _submit(self, request: Request) -> Response:
        try:
            fields = dict(parse_qsl((await read_limited(request)).decode(), max_num_fields=20))
            self._do(fields)
        except (ProviderError, UnusableControl, UnusableScenario, ValueError) as error:
            return self._page(str(error), status=422)
        return RedirectResponse("/", 303)

    def _do(self, fields: dict[str, str]) -> None:
        control = self._control
        match fields.get("action"):
            case "move":
                status = _whole(fields.get("status"), "status")
                control.move_order(fields.get("order_id", ""), status, fields.get("actual") or None)
            case "scenario":
                times = fields.get("times", "")
                order_id = fields.get("order_id")
                control.scenarios.add(
                    fields.get("name"),
                    times=_whole(times, "times") if times else None,
                    order_id=_whole(order_id, "order") if order_id else None,
                    value=_value(fields.get("value", "")),
                )
            case "clear":
                control.scenarios.clear()
            case "seed":
                control.set_seed(_whole(fields.get("seed"), "seed"))
            case _:
                raise UnusableControl("the form is not known")

    def _page(self, problem: str | None = None, *, status: int = 200) -> Response:
        control = self._control
        shown = control.store.newest_orders(_SHOWN_ORDERS)
        orders = "".join(self._order(order) for order in shown) or "<p>No orders yet.</p>"
        alert = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
        content = f"""<main class="wide"><p class="banner"><strong>Onramp simulator.</strong>
Everything here is pretended; nothing is bought and nothing is sent.</p>
<h1>Control</h1>{alert}
<dl class="facts"><dt>Webhooks go to</dt><dd>{escape(control.webhooks.url or "nowhere yet")}</dd>
<dt>Seed</dt><dd>{control.orders.seed_value}</dd></dl>
{self._scenarios()}
<h2>Orders</h2>
<p class="hint">The newest {_SHOWN_ORDERS}. Moving an order by hand stops its own walk.</p>{orders}
<h2>Begin again</h2><form method="post" class="line"><input type="hidden" name="action" value="seed">
<label>Seed <input name="seed" inputmode="numeric" value="{control.orders.seed_value}"></label>
<button>Remove everything and begin a run</button></form></main>"""
        return page("Onramp simulator", content, status=status, framed=False)

    def _scenarios(self) -> str:
        waiting = "".join(
            f"<li><code>{escape(s.name)}</code> {'until cleared' if s.times is None else f'{s.times} times'}"
            f"{f', order {s.order_id}' if s.order_id else ''}</li>"
            for s in self._control.scenarios.waiting
        )
        options = "".join(f"<option>{name}</option>" for name in KINDS)
        known = "".join(
            f"<dt><code>{name}</code></dt><dd>{escape(kind.explanation)}</dd>" for name, kind in KINDS.items()
        )
        return f"""<h2>Scenarios</h2>
<form method="post" class="line"><input type="hidden" name="action" value="scenario">
<label>Name <select name="name">{options}</select></label>
<label>Value <input name="value" size="8"></label>
<label>Order <input name="order_id" inputmode="numeric" size="10"></label>
<label>Times <input name="times" inputmode="numeric" value="1" size="3"></label><button>Add</button></form>
<p class="hint">Empty times: until cleared. Empty order: the next one.</p>
<ul>{waiting or "<li>None is waiting.</li>"}</ul>
<form method="post"><button name="action" value="clear">Clear all</button></form>
<details><summary>What each one does</summary><dl class="known">{known}</dl></details>"""

    def _order(self, order: Order) -> str:
        document, offered = order.document, catalog()
        coin = offered.coin_by_id(int(document["coinId"]))
        words = STATUS_WORDS if order.flow == BUY else offered.statuses[order.flow]
        known = words.get(order.status, "unknown status")
        buttons = "".join(
            f'<button name="status" value="{status}">{status} {words[status]}</button>'
            for status in _BUTTONS
            if order.flow == BUY
        )
        hooks = ", ".join(
            f"{hook.state} ({hook.trials}{' ' + hook.result if hook.result else ''})"
            for hook in self._control.store.webhooks(order.order_id)
        )
        fiat = offered.fiats[order.fiat_type]
        return f"""<article><h3>{order.order_id} · {order.status} {escape(known)}</h3>
<dl class="facts"><dt>Opened</dt><dd>{document["createdAt"]}</dd><dt>Flow</dt>
<dd>{_FLOW_TEXTS.get(order.flow, "swap")}, {escape(order.product.replace("_", "-"))}</dd>
<dt>Paid</dt><dd>{number_text(Decimal(document["fiatAmount"]))} {escape(fiat.symbol)}</dd>
<dt>Bought</dt><dd>{escape(str(document["actualCryptoAmount"]))} {escape(coin.code.upper() if coin else "")}
on {escape(offered.networks[int(document["chainId"])].symbol)}</dd>
<dt>To</dt><dd><code>{escape(shortened(document["walletAddress"] or "none"))}</code></dd>
<dt>Recognition id</dt><dd><code>{escape(str(document["merchantRecognitionId"] or "none"))}</code></dd>
<dt>Webhooks</dt><dd>{escape(hooks or "none")}</dd></dl>
<form method="post" class="buttons"><input type="hidden" name="action" value="move">
<input type="hidden" name="order_id" value="{order.order_id}">{buttons}</form>
<form method="post" class="line"><input type="hidden" name="action" value="move">
<input type="hidden" name="order_id" value="{order.order_id}">
<label>Status <input name="status" size="4" inputmode="numeric" required></label>
<label>Amount bought <input name="actual" size="12" inputmode="decimal"></label>
<button>Move</button></form></article>"""


def _whole(text: str | None, name: str) -> int:
    if text is None or not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
        raise UnusableControl(f"{name} must be a whole number")
    return int(text)


def _value(text: str) -> object:
    """Read a scenario's value as JSON where it is that, and as plain text where it is not."""
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except ValueError:
        return text
