"""One network does all it can at once, on a real server; an honest person elsewhere is still served."""

import http.client
import itertools
import json
import secrets
import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.money import WANTED
from tests.people import PASSWORD
from tests.served import served
from tests.simulator.process import Process

ATTACKER, OTHER = "127.0.0.2", "127.0.0.3"
ACCOUNTS, THREADS, SECONDS, QUOTES = 12, 32, 70, 28


@dataclass(frozen=True)
class Caller:
    """Sends requests to a server from one address of this machine."""

    url: str
    address: str

    def ask(self, method: str, path: str, body: object = None, *, token: str = "") -> tuple[int, Any]:
        place = urlsplit(self.url)
        source = (self.address, 0)
        with closing(
            http.client.HTTPConnection(place.hostname or "", place.port, timeout=60, source_address=source)
        ) as connection:
            headers = {"Content-Type": "application/json"}
            if token:
                headers["Authorization"] = f"Bearer {token}"
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")

    def register(self) -> str:
        """Open an account; return its access token."""
        body = {"email": f"p{secrets.token_hex(5)}@example.com", "password": PASSWORD}
        status, answer = self.ask("POST", "/api/auth/register", body)
        assert status == 201, answer
        return str(answer["access_token"])


def _storm(attacker: Caller, tokens: list[str], statuses: Counter[tuple[str, int]], end: float) -> None:
    for number in itertools.count():
        if time.monotonic() > end:
            return
        token, amount = secrets.choice(tokens), str(1_000 + secrets.randbelow(100_000))
        wanted = {**WANTED, "fiat_amount": amount}
        deed = ("quotes", "top-ups", "login", "transactions", "options")[number % 5]
        match deed:
            case "quotes" | "top-ups":
                status, _ = attacker.ask("POST", f"/api/{deed}", wanted, token=token)
            case "login":
                guess = {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
                status, _ = attacker.ask("POST", "/api/auth/login", guess)
            case "transactions":
                status, _ = attacker.ask("GET", "/api/transactions", token=token)
            case _:
                status, _ = attacker.ask("GET", f"/api/options?fiat_currency={secrets.choice(_CURRENCIES)}")
        statuses[deed, status] += 1


_CURRENCIES = ("INR", "TRY", "AED", "MXN", "VND", "NGN", "BRL", "PEN", "COP", "CLP", "PHP", "EUR", "IDR")


@pytest.mark.full
@pytest.mark.parametrize("app", ["onramp_app.onramp_app:app", "tests.fleet.shareless_instance:app"])
def test_an_honest_person_is_quoted_while_one_network_does_what_it_can(
    database: str, simulator: Process, app: str
) -> None:
    """The second application has no shares per network, and is the control."""
    with served(database, app=app, ONRAMP_API_URL=simulator.base) as url:
        attacker, honest = Caller(url, ATTACKER), Caller(url, OTHER)
        tokens, token = [attacker.register() for _ in range(ACCOUNTS)], honest.register()
        statuses: Counter[tuple[str, int]] = Counter()
        end = time.monotonic() + SECONDS
        threads = [
            threading.Thread(target=_storm, args=(attacker, tokens, statuses, end)) for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        answers: Counter[int] = Counter()
        seconds = []
        while (began := time.monotonic()) < end:
            wanted = {**WANTED, "fiat_amount": str(2_000 + len(seconds))}
            status, _ = honest.ask("POST", "/api/quotes", wanted, token=token)
            answers[status] += 1
            seconds.append(time.monotonic() - began)
            time.sleep(SECONDS / QUOTES)
        for thread in threads:
            thread.join()
    p95 = statistics.quantiles(seconds, n=20)[18]
    sys.stdout.write(f"{app}: honest {dict(answers)}, p95 {p95:.2f} s; storm {sum(statuses.values())}\n")
    if app == "tests.fleet.shareless_instance:app":
        assert answers[503] + answers[429] > len(seconds) / 3, "the control"
    else:
        assert set(answers) == {200}
        assert p95 <= 2
