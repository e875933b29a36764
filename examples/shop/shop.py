"""A shop that sells one thing for money of the wallet: link, payment, webhook, debit.

Run: `API_KEY=amk_… python examples/shop/shop.py`, beside the application; `README.md` says how. The shop
keeps its orders in a file, so that it and the wallet may end at any moment: whatever was asked for is asked
for again under the same reference, and happens once.
"""

import base64
import hashlib
import hmac
import html
import json
import logging
import os
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from wallet_client import Wallet, WalletError, is_genuine_return

SHOP_URL = os.environ.get("SHOP_URL", "http://localhost:8010")
WALLET_URL = os.environ.get("WALLET_URL", "http://localhost:8000")
DATABASE = Path(os.environ.get("SHOP_DATABASE", ".data/shop.sqlite"))
THING, PRICE, ASSET = "A poster of the harbour", "5", "USDT"
COUNTRY = "IN"  # of the customers: it says in which currency they are asked to pay
# Within this time a webhook counts, by the specification that signs it.
WEBHOOK_AGE_SECONDS = 300
MOST_BYTES = 100_000
LAPSES_AFTER_SECONDS = 3600
# A link whose top-up has ended like this adds nothing more; one that is reviewed goes on.
OVER = ("settled", "canceled", "expired", "failed", "reversed")
COOKIE = "customer={}; HttpOnly; SameSite=Lax; Path=/"
CUSTOMER = re.compile(r"customer-[0-9a-f]{16}")
# No answer, and what the wallet refuses although nothing is wrong here.
AWAY = (httpx.TransportError, WalletError)
log = logging.getLogger("shop")


class Shop:
    """The orders, and what the wallet does for them. An order is `waiting`, `paid` or `lapsed`."""

    def __init__(self, wallet: Wallet, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        self._wallet = wallet
        self._database = database
        self._lock = threading.Lock()
        self._run(
            "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, at REAL NOT NULL,"
            " status TEXT NOT NULL DEFAULT 'waiting', debit_id TEXT, tries INTEGER NOT NULL DEFAULT 0,"
            " link_id TEXT, return_secret TEXT)"
        )
        self._run("CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)")

    def _run(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with self._lock, sqlite3.connect(self._database) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]

    def listen(self) -> None:
        """Ask the wallet, once, to send its webhooks here, and keep the secret that it gives only then."""
        if self._run("SELECT value FROM settings WHERE name = 'webhook_secret'"):
            return
        endpoints, address = self._wallet.webhook_endpoints, f"{SHOP_URL}/webhooks"
        known = [one["id"] for one in endpoints.list_endpoints()["items"] if one["url"] == address]
        # One that is there already was made by a shop that ended before it had kept the secret.
        made = (
            endpoints.rotate_secret(known[0], keep_old_seconds=0)
            if known
            else endpoints.create(url=address, event_types=["top_up.settled"])
        )
        self._run("INSERT INTO settings VALUES ('webhook_secret', ?)", made["secret"])

    def user_of(self, customer: str) -> str:
        """Return the wallet's id of a customer, whose account is opened with the first question."""
        return self._wallet.users.find_or_open(external_id=customer, country=COUNTRY)["id"]

    def balance(self, user_id: str) -> str:
        """Return how much the customer can spend here."""
        items = self._wallet.users.read_balances(user_id)["items"]
        return next((item["available"] for item in items if item["asset"] == ASSET), "0")

    def orders(self, user_id: str) -> list[dict[str, Any]]:
        """Return the customer's orders, newest first."""
        return self._run("SELECT * FROM orders WHERE user_id = ? ORDER BY at DESC LIMIT 20", user_id)

    def order(self, order_id: str) -> dict[str, Any] | None:
        """Return an order."""
        return next(iter(self._run("SELECT * FROM orders WHERE id = ?", order_id)), None)

    def buy(self, user_id: str) -> str:
        """Keep a new order before anything is asked of the wallet. Returns where the customer goes next."""
        order_id = secrets.token_hex(8)
        self._run("INSERT INTO orders (id, user_id, at) VALUES (?, ?, ?)", order_id, user_id, time.time())
        try:
            return f"/orders/{order_id}" if self.pay(order_id) else self.add_money(order_id)
        except AWAY as error:
            log.warning("order %s waits, the wallet cannot be asked now: %s", order_id, error)
            return f"/orders/{order_id}"  # Its page goes on where this ended.

    def pay(self, order_id: str) -> bool:
        """Take the price, once under the order's own id. Returns whether the order is paid.

        A customer who left is asked for nothing later: an order waits for an hour.
        """
        (order,) = self._run("SELECT * FROM orders WHERE id = ?", order_id)
        if order["status"] != "waiting":
            return bool(order["status"] == "paid")
        if time.time() - order["at"] > LAPSES_AFTER_SECONDS:
            self._run("UPDATE orders SET status = 'lapsed' WHERE id = ?", order_id)
            return False
        try:
            debit = self._wallet.debits.create(
                user_id=order["user_id"], amount=PRICE, asset=ASSET, reference=order_id, description=THING
            )
        except WalletError as error:
            if error.code != "insufficient_funds":
                raise
            return False
        self._run("UPDATE orders SET status = 'paid', debit_id = ? WHERE id = ?", debit["id"], order_id)
        log.info("order %s is paid", order_id)
        return True

    def add_money(self, order_id: str) -> str:
        """Return where the customer adds money for an order: the address of its link, while that works."""
        (order,) = self._run("SELECT * FROM orders WHERE id = ?", order_id)
        link = self._wallet.links.read(order["link_id"]) if order["link_id"] else None
        if link is None or link["status"] in ("expired", "revoked") or link["top_up_status"] in OVER:
            tries = order["tries"] + 1
            link = self._wallet.links.create(
                user_id=order["user_id"],
                asset=ASSET,
                return_url=f"{SHOP_URL}/orders/{order_id}",
                reference=f"{order_id}-{tries}",
            )
            changed = "UPDATE orders SET tries = ?, link_id = ?, return_secret = ? WHERE id = ?"
            self._run(changed, tries, link["id"], link["return_secret"], order_id)
        return link["url"] or "/"

    def take_webhook(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Pay what waited for this money. Returns whether the wallet has signed it (Standard Webhooks)."""
        (row,) = self._run("SELECT value FROM settings WHERE name = 'webhook_secret'")
        sent, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not at.isdecimal() or abs(time.time() - int(at)) > WEBHOOK_AGE_SECONDS:
            return False
        key = base64.b64decode(row["value"].removeprefix("whsec_"))
        digest = hmac.new(key, f"{sent}.{at}.".encode() + body, hashlib.sha256).digest()
        expected = f"v1,{base64.b64encode(digest).decode()}"
        given = headers.get("webhook-signature", "").split()
        if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
            return False
        link_id = json.loads(body)["data"].get("link_id")  # None where a top-up was begun otherwise
        for row in self._run("SELECT id FROM orders WHERE link_id = ?", link_id):
            self.pay(row["id"])
        return True

    def keep_paying(self) -> None:
        """Look now and then for money that arrived while the shop or the wallet was away."""
        while True:
            time.sleep(5)
            waiting = "SELECT id, link_id FROM orders WHERE status = 'waiting' AND link_id IS NOT NULL"
            for order in self._run(waiting):
                try:
                    if self._wallet.links.read(order["link_id"])["top_up_status"] == "settled":
                        self.pay(order["id"])
                except AWAY as error:  # Of one customer or of all: the next order may be another's.
                    log.warning("order %s waits: %s", order["id"], error)


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>{refresh}
<meta name="viewport" content="width=device-width"><style>body {{ font: 18px/1.5 system-ui; max-width: 32rem;
margin: 3rem auto; padding: 0 1rem }} button {{ font: inherit; padding: .6rem 1.2rem }}</style>
<h1>{title}</h1>{body}</html>"""
AGAIN = '<meta http-equiv="refresh" content="2">'


class Handler(BaseHTTPRequestHandler):
    """The shop's pages, and the address of its webhooks."""

    shop: Shop

    def do_GET(self) -> None:
        """Show the shop, or an order; while the wallet is away, a page that tries again."""
        try:
            self.show_page()
        except AWAY as error:
            log.warning("the wallet cannot be asked now: %s", error)
            self.page("One moment", "<p>The wallet does not answer. Nothing is lost.</p>", refresh=AGAIN)

    def show_page(self) -> None:
        """Show what the address names."""
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/":
            user_id = self.shop.user_of(self.customer())
            rows = "".join(
                f'<li><a href="/orders/{one["id"]}">Order {one["id"]}</a>: {one["status"]}</li>'
                for one in self.shop.orders(user_id)
            )
            balance = html.escape(self.shop.balance(user_id))
            self.page(
                "The harbour shop",
                f"<p>{THING}: {PRICE} {ASSET}</p><p>Your balance: <b>{balance} {ASSET}</b></p>"
                f'<form method="post" action="/buy"><button>Buy</button></form><ul>{rows}</ul>',
            )
        elif order := self.shop.order(path.removeprefix("/orders/")):
            self.show(order, query)
        else:
            self.page("Not found", "<p>There is nothing here.</p>", status=HTTPStatus.NOT_FOUND)

    def show(self, order: dict[str, Any], query: dict[str, str]) -> None:
        """Show an order. A return is believed where the wallet signed it, and decides nothing."""
        if self.shop.pay(order["id"]):
            self.page("Thank you", f"<p>{THING} is yours. Order {order['id']} is paid.</p>")
            return
        if order["status"] == "lapsed":
            self.page(
                "Not sold", f"<p>Order {order['id']} waited for too long. <a href='/'>Order again</a></p>"
            )
            return
        said = ""
        if "signature" in query and is_genuine_return(query, order["return_secret"] or ""):
            said = f"<p>Adding money: {html.escape(query['status'])}.</p>"
        url = html.escape(self.shop.add_money(order["id"]))
        self.page(
            "Waiting for your money",
            f"{said}<p>Order {order['id']} is paid once enough has arrived.</p>"
            f'<p><a href="{url}">Add money</a></p>',
            refresh=AGAIN,
        )

    def do_POST(self) -> None:
        """Buy, or take a webhook."""
        length = int(self.headers.get("content-length", "0"))
        if not 0 <= length <= MOST_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(length)
        try:
            if self.path == "/webhooks":
                headers = {name.lower(): value for name, value in self.headers.items()}
                is_taken = self.shop.take_webhook(headers, body)
                self.send_response(HTTPStatus.NO_CONTENT if is_taken else HTTPStatus.UNAUTHORIZED)
            elif self.path == "/buy":
                where = self.shop.buy(self.shop.user_of(self.customer()))
                self.send_response(HTTPStatus.SEE_OTHER)
                self.send_header("Location", where)
                self.send_header("Set-Cookie", COOKIE.format(self.known))
            else:
                self.send_response(HTTPStatus.NOT_FOUND)
        except AWAY as error:  # A webhook comes again, and so does a customer.
            log.warning("the wallet cannot be asked now: %s", error)
            self.page("One moment", "<p>The wallet does not answer. Please try again.</p>", status=503)
            return
        self.send_header("Content-Length", "0")
        self.end_headers()

    def customer(self) -> str:
        """Return who the browser is: a shop of its own would have people sign in."""
        found = SimpleCookie(self.headers.get("Cookie", "")).get("customer")
        is_known = found is not None and CUSTOMER.fullmatch(found.value)
        self.known = found.value if found and is_known else f"customer-{secrets.token_hex(8)}"
        return self.known

    def page(self, title: str, body: str, *, refresh: str = "", status: int = HTTPStatus.OK) -> None:
        """Answer with a page."""
        content = PAGE.format(title=title, body=body, refresh=refresh).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if known := getattr(self, "known", ""):
            self.send_header("Set-Cookie", COOKIE.format(known))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve the shop until it is interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    shop = Shop(Wallet(WALLET_URL, os.environ["API_KEY"]), DATABASE)
    shop.listen()
    threading.Thread(target=shop.keep_paying, daemon=True).start()
    Handler.shop = shop
    address = urlsplit(SHOP_URL)
    log.info("The shop is open at %s", SHOP_URL)
    ThreadingHTTPServer((address.hostname or "localhost", address.port or 8010), Handler).serve_forever()


if __name__ == "__main__":
    main()
