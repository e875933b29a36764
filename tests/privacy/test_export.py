"""The export of a person's data: complete, only their own, and without credentials."""

import asyncio
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import LargeBinary

from onramp_app.accounts import sessions
from onramp_app.accounts.program_sessions import resolve_bearer
from onramp_app.accounts.sessions import Client
from onramp_app.config import get_settings
from onramp_app.db import personal
from onramp_app.domain.environment import Environment
from onramp_app.domain.errors import Unauthenticated
from onramp_app.ledger.instructions import UserAmount
from onramp_app.privacy.export import export
from onramp_app.recovery.requests import answer_some
from onramp_app.schema import METADATA
from tests import rows
from tests.factors.authenticator import SoftPasskey, code_of
from tests.ledger.books import BY_POLL
from tests.money import Wallet
from tests.people import PASSWORD, Person, open_another
from tests.privacy.test_page import PAGE, _names, rows_of
from tests.recorded_posting import spend

EXPORT = "/api/auth/me/export"
CLIENT = Client("127.0.0.1", "program/1")
NewPerson = Callable[..., Awaitable[Person]]


async def _export(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await client.get(EXPORT, headers=person.headers)


async def _live(wallet: Wallet, person: Person) -> list[str]:
    """Use the account so that every list has an entry. Returns the secrets that the person was given."""
    client = wallet.client
    post = client.post
    begun = (await post("/api/auth/factors/totp", headers=person.headers)).json()
    codes = {"code": code_of(begun["secret"])}
    confirmed = await post("/api/auth/factors/totp/confirm", headers=person.headers, json=codes)
    passkey = SoftPasskey()
    options = (await post("/api/auth/factors/passkeys/options", headers=person.headers)).json()
    made = {"credential": passkey.create(options), "name": "Harbour phone"}
    assert (await post("/api/auth/factors/passkeys", headers=person.headers, json=made)).status_code == 201
    await post("/api/auth/password/forgot", json={"email": person.email})
    await answer_some()
    top_up = (await wallet.create(person, key="a-key-of-mine")).json()
    await wallet.deliver(person, top_up["id"])
    operator = rows.user(wallet.owner, role="operator")
    wallet.run(
        "INSERT INTO exceptions (id, environment, kind, top_up_id, detail, opened_at, closed_at, closed_by,"
        " close_reason) VALUES ('c1', 'simulator', 'unknown_status', %s, 'status 99', now(), now(), %s,"
        " 'smells of a mule')",
        top_up["id"],
        operator,
    )
    wallet.run(
        "INSERT INTO verification_steps (user_id, at, from_status, to_status, from_tier, to_tier, source,"
        " actor, reason) VALUES (%s, now(), 'none', 'in_review', 'none', 'none', 'operator', %s,"
        " 'a watched name')",
        person.id,
        operator,
    )
    wallet.run(
        "INSERT INTO verification_customers (user_id, environment, client_customer_id, customer_id,"
        " is_proven, made_at, awake_at)"
        " VALUES (%s, 'simulator', md5('canary'), 'customer-7', true, now(), now())",
        person.id,
    )
    wallet.run(
        "INSERT INTO factor_resets (id, user_id, asked_by, asked_at, due_at)"
        " VALUES ('r1', %s, %s, now(), now() + interval '1 day')",
        person.id,
        operator,
    )
    wallet.run(
        "INSERT INTO chain_evidence (provider_order_id, environment, asset, network, address, state, why,"
        " since, unseen_since)"
        " SELECT id, environment, 'USDT', 'matic20', '0xaaaa', 'waiting', '', now(), now()"
        " FROM provider_orders WHERE top_up_id = %s",
        top_up["id"],
    )
    program_id, _ = rows.program(wallet.owner, name="Corner shop")
    rows.program_user(wallet.owner, program_id, person.id, external_id="c-7")
    rows.add_money_link(wallet.owner, program_id, person.id, reference="o-2")
    wallet.run(
        "INSERT INTO outgoing_events (id, program_id, user_id, type, object, data, created_at)"
        " SELECT 'e1', id, %s, 'kyc.changed', 'kyc', '{\"status\": \"started\"}', now() FROM programs",
        person.id,
    )
    await wallet.post(
        spend("o-1", UserAmount(Environment.SIMULATOR, person.id, "USDT", 25 * 10**16), cause=BY_POLL)
    )
    given = [person.access_token, person.refresh_token, PASSWORD, begun["secret"], operator]
    return [*given, *confirmed.json()["recovery_codes"], "smells of a mule", "a watched name"]


def _kept_back(owner: psycopg.Connection[Any], allowed: set[str]) -> set[str]:
    """Return the values of all columns that the page excludes from the file, bytes as hex and base64."""
    values: set[str] = set()
    for table, (_, held_back, _) in rows_of(PAGE.read_text(), "Every column").items():
        for column in _names(held_back):
            is_bytes = isinstance(METADATA.tables[table].columns[column].type, LargeBinary)
            forms = [f"encode({column}, '{form}')" for form in ("hex", "base64")] if is_bytes else [column]
            for form in forms:
                query = f"SELECT {form}::text FROM {table} WHERE {column} IS NOT NULL"
                values |= {row[0] for row in owner.execute(query.encode())}
    return values - allowed


async def test_the_file_holds_everything_and_nothing_that_opens_anything(
    wallet: Wallet, ada: Person, new_person: NewPerson
) -> None:
    secrets = await _live(wallet, ada)
    stranger = await new_person(display_name="Somebody Else")
    await wallet.create(stranger)
    answer = await _export(wallet.client, ada)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert [name for name, value in document.items() if value == []] == []
    assert document["account"]["email"] == ada.email
    assert document["balances"] == [{"asset": "USDT", "available": "11", "held": "0", "owed": "0"}]
    (top_up,) = document["top_ups"]
    assert [name for name, value in top_up.items() if value == []] == []
    assert (top_up["fiat_amount"], top_up["received"], top_up["status"]) == ("1000", "11.25", "settled")
    assert [step["status"] for step in top_up["steps"]][:1] == ["created"]
    assert document["transfers"][0]["entries"] == [
        {"account": "available", "asset": "USDT", "amount": "11.25"}
    ]
    (debit,) = document["debits"]
    assert (debit["reference"], debit["amount"], debit["status"]) == ("o-1", "0.25", "posted")
    (link,) = document["add_money_links"]
    assert (link["program"], link["reference"]) == ("Corner shop", "o-2")
    assert document["passkeys"][0]["name"] == "Harbour phone"
    (program,) = document["programs"]
    assert (program["name"], program["external_id"]) == ("Corner shop", "c-7")
    (told,) = document["outgoing_events"]
    assert (told["type"], told["data"]) == ("kyc.changed", {"status": "started"})
    assert [mail["kind"] for mail in document["mails"]].count("factors_changed") == 2
    assert {line["action"] for line in document["audit_log"]} >= {"factor.added", "account.data_exported"}
    for secret in (*secrets, get_settings().secret_key.get_secret_value()):
        assert secret not in answer.text, secret
    own = {ada.id, "system", "user"}
    found = {value for value in _kept_back(wallet.owner, own) if len(value) > 8 and value in answer.text}
    assert found == set()
    for foreign in (stranger.id, stranger.email, "Somebody Else"):
        assert foreign not in answer.text


async def test_control_a_secret_in_the_file_would_be_found(wallet: Wallet, ada: Person) -> None:
    await _live(wallet, ada)
    kept_back = _kept_back(wallet.owner, {ada.id})
    for query in (
        "SELECT password_hash FROM users WHERE role = 'user'",
        "SELECT encode(sealed_secret, 'hex') FROM authenticators",
        "SELECT link_id FROM outbox_mails WHERE link_id IS NOT NULL",
        "SELECT url FROM widget_sessions",
    ):
        assert set(wallet.rows(query)) <= {(value,) for value in kept_back}, query


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE auth_sessions SET proved_at = now() - interval '16 minutes'", "recent_sign_in_required"),
        ("UPDATE auth_sessions SET revoked_at = now(), end_reason = 'signed_out'", "unauthenticated"),
    ],
)
async def test_without_a_proof_nobody_gets_it(
    client: httpx.AsyncClient, ada: Person, database: str, change: str, code: str
) -> None:
    """Somebody with a stolen token, or at an unattended page, does not know the password."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(change.encode())
    answer = await _export(client, ada)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert (await client.get(EXPORT)).status_code == 401
    with psycopg.connect(database) as owner:
        assert owner.execute("SELECT FROM audit_log WHERE action = 'account.data_exported'").fetchall() == []


async def test_another_site_cannot_read_it(client: httpx.AsyncClient, ada: Person) -> None:
    """A browser sends the cookie when somebody follows a link, but gives no other site the answer."""
    browser = await open_another(ada.id, sessions.open_browser, CLIENT)
    headers = {"Cookie": f"session={browser.cookie_value}", "Origin": "https://evil.example"}
    answer = await client.get(EXPORT, headers=headers)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_it_is_asked_for_five_times_an_hour(client: httpx.AsyncClient, ada: Person, bo: Person) -> None:
    answers = [(await _export(client, ada)).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert (await _export(client, bo)).status_code == 200


async def test_it_breaks_off_where_the_session_ends(ada: Person, database: str) -> None:
    viewer = await resolve_bearer(ada.access_token)
    pieces = export(viewer, client=CLIENT)
    assert ada.email in await anext(pieces)
    await sessions.end_session(viewer.user_id, viewer.session_id)
    with pytest.raises(Unauthenticated):
        await _rest(pieces)


async def _rest(pieces: Any) -> str:
    return "".join([piece async for piece in pieces])


async def test_long_lists_come_whole_page_by_page(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = "2026-03-01T12:00:00+00:00"
    ids = [rows.top_up(wallet.owner, ada.id, created_at=moment) for _ in range(7)]
    for top_up_id in ids:
        rows.step(wallet.owner, top_up_id)
        rows.step(wallet.owner, top_up_id, status_class="paid")
    for most in (200, 7, 3, 2, 1):
        monkeypatch.setattr(personal, "AT_ONCE", most)
        viewer = await resolve_bearer(ada.access_token)
        document = json.loads(await _rest(export(viewer, client=CLIENT)))
        assert [top_up["id"] for top_up in document["top_ups"]] == sorted(ids), most
        assert {len(top_up["steps"]) for top_up in document["top_ups"]} == {2}


MANY = """
WITH made AS (
    INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,
                         payment_method, status, charged, rank, has_entry, version, created_at, updated_at)
    SELECT lpad(to_hex(n), 32, '0'), %(user)s, 'simulator', 1000, 'INR', 1, 'USDT', 'matic20', 'UPI',
           'expired', 'no', 0, false, 1, now() - n * interval '1 minute', now()
      FROM generate_series(1, %(number)s) n RETURNING id)
INSERT INTO top_up_steps (top_up_id, at, act, source, status, charged, detail)
SELECT id, now(), 'created', 'user', 'created', 'no', '' FROM made, generate_series(1, 3)
"""


@pytest.mark.full
async def test_a_hundred_thousand_top_ups_need_little_memory(wallet: Wallet, ada: Person) -> None:
    wallet.run(MANY.replace("%(user)s", f"'{ada.id}'").replace("%(number)s", "100000"))
    wallet.run("ANALYZE top_ups, top_up_steps")
    viewer, length, number = await resolve_bearer(ada.access_token), 0, 0
    began = asyncio.get_running_loop().time()
    tracemalloc.start()
    async for piece in export(viewer, client=CLIENT):
        length += len(piece)
        number += piece.count('"fiat_amount"')
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    seconds = asyncio.get_running_loop().time() - began
    print(f"{length >> 20} MiB in {seconds:.0f} s, {peak / 2**20:.1f} MiB at most")  # noqa: T201
    assert number == 100_000
    assert peak < 32 * 2**20
