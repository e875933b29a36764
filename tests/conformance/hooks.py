"""Schemathesis hooks for our API: the callers, and values that pass the first checks.

Loaded by the `schemathesis` command through SCHEMATHESIS_HOOKS. Most generated bodies and ids are refused
immediately, so about half of the requests get real ones. Several people take turns, from many addresses,
because of the rate limits; a separate person makes all requests that end sessions, so that the others stay
signed in.
"""

import base64
import json
import os
import random
import secrets
import time
from typing import Any

import httpx
import schemathesis

PASSWORD = "quiet harbour lantern 42"  # as in the description's examples, which are tried as well
PEOPLE = 8
TOKEN_SECONDS = 300  # an access token lives twice as long
ENDINGS = ("/api/auth/logout", "/api/auth/password", "/api/auth/sessions/{session_id}")
CLOSING = ("DELETE", "/api/auth/me")
# The operations that have to succeed so that there are ids and people.
BEGINNINGS = (
    "POST /api/top-ups",
    "POST /api/quotes",
    "PATCH /api/auth/me",
    "POST /api/users",
    "POST /api/webhook-endpoints",
)
WANTED = {
    "fiat_currency": "INR",
    "fiat_amount": "1000",
    "asset": "USDT",
    "network": "matic20",
    "payment_method": "UPI",
}
_SHARE = float(os.environ["SHARE_OF_CASES"])
_URL = os.environ["API_URL"]
_KEY = os.environ["API_KEY"]
_client = httpx.Client(base_url=_URL, timeout=20)
# Called with an API key, never with a person's token.
_OF_PROGRAMS = {
    path
    for path, methods in _client.get("/api/openapi.json").json()["paths"].items()
    if any("ApiKey" in asked for described in methods.values() for asked in described.get("security", ()))
}
_taken: set[tuple[str, schemathesis.GenerationMode]] = set()
_known: list[str] = []  # ids of the program's people
_endpoints: list[str] = []  # ids of the program's webhook endpoints
_top_ups: dict[str, list[str]] = {}  # by their owner's email


def _from_anywhere() -> dict[str, str]:
    return {"X-Forwarded-For": f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}"}


class _Program:
    """A person's program that stays signed in, and signs in again after it was signed out."""

    def __init__(self) -> None:
        self.email, self.password = f"{secrets.token_hex(8)}@mail.example", PASSWORD
        body = {"email": self.email, "password": self.password, "country": "IN"}
        self._take(_client.post("/api/auth/register", json=body, headers=_from_anywhere()))

    def _take(self, answer: httpx.Response) -> None:
        assert answer.is_success, answer.text
        self._token = answer.json()["access_token"]
        self._since = time.monotonic()
        claims = self._token.split(".")[1]
        self.session_id = json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"]

    def token(self, *, seconds: float = TOKEN_SECONDS) -> str:
        if time.monotonic() - self._since > seconds:
            body = {"email": self.email, "password": self.password}
            self._take(_client.post("/api/auth/login", json=body, headers=_from_anywhere()))
        return str(self._token)


_people = [_Program() for _ in range(PEOPLE)]
_leaver = _Program()


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Run a random share of the cases.

    The first valid and the first invalid case of each operation always run, as do all valid cases of the
    operations that others build on.
    """
    what, mode = case.operation.label, case.meta.generation.mode
    is_first = (what, mode) not in _taken
    _taken.add((what, mode))
    is_needed = what in BEGINNINGS and mode == schemathesis.GenerationMode.POSITIVE
    return is_first or is_needed or random.random() < _SHARE


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    path = case.operation.path
    case.headers.update(_from_anywhere())
    is_real = random.random() < 0.5
    if path in _OF_PROGRAMS:
        token = _KEY
        if is_real and _known and "user_id" in case.path_parameters:
            case.path_parameters["user_id"] = random.choice(_known)
        if is_real and _endpoints and "endpoint_id" in case.path_parameters:
            case.path_parameters["endpoint_id"] = random.choice(_endpoints)
        if is_real and path == "/api/webhook-endpoints" and isinstance(case.body, dict):
            case.body = {"url": "https://shop.example/hook", "event_types": ["kyc.changed"]}
    elif (case.operation.method.upper(), path) == CLOSING:
        token = _Program().token()  # of a fresh account, which may be closed as nobody else uses it
    elif path in ENDINGS:
        token = _leaver.token(seconds=2)
        if is_real and "session_id" in case.path_parameters:
            case.path_parameters["session_id"] = _leaver.session_id
    else:
        person = random.choice(_people)
        token = person.token()
        if is_real:
            _make_real(case, person)
    if random.random() < 0.95:  # a few are sent without a token
        case.headers["Authorization"] = f"Bearer {token}"


def _make_real(case: Any, person: _Program) -> None:
    if case.operation.path in ("/api/quotes", "/api/top-ups") and isinstance(case.body, dict):
        case.body = {**WANTED, "fiat_amount": str(random.randrange(200, 5000))}
    for name in ("top_up_id", "transaction_id"):
        if name in case.path_parameters and (known := _top_ups.get(person.email)):
            case.path_parameters[name] = random.choice(known)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    if case.operation.path == "/api/users" and response.status_code == 201:
        _known.append(response.json()["id"])
    if case.operation.path == "/api/auth/password" and response.status_code == 204:
        _leaver.password = case.body["new_password"]
    if case.operation.path == "/api/webhook-endpoints" and response.status_code == 201:
        _endpoints.append(response.json()["id"])
    if case.operation.path == "/api/top-ups" and response.status_code == 201:
        token = case.headers["Authorization"].removeprefix("Bearer ")
        for person in _people:
            if person.token() == token:
                _top_ups.setdefault(person.email, []).append(response.json()["id"])
