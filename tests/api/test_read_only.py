"""While the database is read-only, writes are told to retry, and reads still work."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from onramp_app.accounts import sessions
from onramp_app.config import get_settings
from onramp_app.domain import clock
from tests.money import Wallet
from tests.people import PASSWORD, Person
from tests.signed_webhooks import PATH, event_of, headers_of


class Switch:
    """Makes a running server read-only, as a failover does, and writable again."""

    def __init__(self, database: str) -> None:
        self._owner = psycopg.connect(database, autocommit=True)

    def set(self, state: str) -> None:
        self._owner.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}".encode())
        self._owner.execute("SELECT pg_reload_conf()")
        while self._owner.execute("SHOW default_transaction_read_only").fetchone() != (state,):
            pass


@pytest.fixture
def read_only(database: str) -> Iterator[Switch]:
    switch = Switch(database)
    yield switch
    switch.set("off")


def _is_away(answer: httpx.Response) -> bool:
    return (
        answer.status_code == 503
        and answer.json()["code"] == "database_unavailable"
        and int(answer.headers["retry-after"]) > 0
    )


async def _until_it_is_seen(client: httpx.AsyncClient, person: Person) -> None:
    # Connections notice a changed setting one by one.
    for _ in range(100):
        answer = await client.patch("/api/auth/me", headers=person.headers, json={"display_name": "A"})
        if answer.is_error:
            assert _is_away(answer), answer.text
            return
    pytest.fail("the database was not made read-only")


async def test_whoever_changes_something_is_told_to_come_back(
    wallet: Wallet, ada: Person, read_only: Switch
) -> None:
    client = wallet.client
    read_only.set("on")
    await _until_it_is_seen(client, ada)
    credentials = {"email": ada.email, "password": PASSWORD}
    top_up = {
        "fiat_currency": "INR",
        "fiat_amount": "5000",
        "asset": "USDT",
        "network": "matic20",
        "payment_method": "UPI",
    }
    new = {"email": "new@example.com", "password": PASSWORD}
    assert _is_away(await client.post("/api/auth/login", json=credentials))
    assert _is_away(await client.post("/api/auth/register", json=new))
    assert _is_away(await client.post("/api/top-ups", headers=ada.headers, json=top_up))
    assert _is_away(await client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token}))
    event = headers_of(event_of(1))
    assert _is_away(await client.post(PATH, headers=event, content=b"{}"))
    read_only.set("off")
    assert (await client.post(PATH, headers=event, content=b"{}")).status_code == 200


async def test_reading_goes_on(
    client: httpx.AsyncClient, ada: Person, read_only: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only.set("on")
    await _until_it_is_seen(client, ada)
    later = clock.now() + 2 * sessions._SEEN_EVERY  # the session's row would be touched
    monkeypatch.setattr(clock, "now", lambda: later)
    for path in ("auth/me", "balances", "transactions"):
        assert (await client.get(f"/api/{path}", headers=ada.headers)).status_code == 200


async def test_the_forms_lead_to_a_page_in_words(
    client: httpx.AsyncClient, ada: Person, read_only: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "http://localhost:3000")
    get_settings.cache_clear()
    typed = {"email": ada.email, "password": PASSWORD}
    await client.post("/api/auth/session", data=typed)
    read_only.set("on")
    await _until_it_is_seen(client, ada)
    for form, page, email in (
        ("session", "/login", ada.email),
        ("registration", "/register", "new@example.com"),
    ):
        answer = await client.post(f"/api/auth/{form}", data={**typed, "email": email})
        assert answer.status_code == 303
        assert f"{page}?reason=database_unavailable" in answer.headers["location"]
    our_origin = {"Origin": "http://localhost:3000"}
    answer = await client.post("/api/auth/session/end", headers=our_origin)
    assert answer.status_code == 303
    assert "/login?reason=signed_out_here" in answer.headers["location"]
    assert 'session=""' in answer.headers["set-cookie"], "this browser is signed out all the same"
