"""Writes rows as the application would have, for tests that start from a later state."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from onramp_app.domain.ids import new_id
from onramp_app.programs import keys
from onramp_app.programs.words import Scope

Owner = psycopg.Connection[Any]


def insert(owner: Owner, table: str, **columns: Any) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    owner.execute(statement, columns)


def user_row(**columns: Any) -> dict[str, Any]:
    """Return the columns of an account that nobody can sign in to."""
    now = datetime.now(UTC)
    row = {
        "id": new_id(),
        "password_hash": "x",
        "display_name": "Asha",
        "display_currency": "INR",
        "language": "en",
        "role": "user",
        "kyc_status": "none",
        "kyc_tier": "none",
        "created_at": now,
        "updated_at": now,
    } | columns
    return {"email": f"{row['id']}@example.org"} | row


def user(owner: Owner, **columns: Any) -> str:
    """Write an account that nobody can sign in to, with the audit line of its role. Returns its id."""
    row = user_row(**columns)
    insert(owner, "users", **row)
    if row["role"] != "user":
        grant_role(owner, str(row["id"]), str(row["role"]))
    return str(row["id"])


def grant_role(owner: Owner, user_id: str, role: str = "operator") -> None:
    """Give an account a role, with the audit line that the `grant-role` command writes."""
    owner.execute("UPDATE users SET role = %s WHERE id = %s", (role, user_id))
    insert(
        owner,
        "audit_log",
        id=new_id(),
        at=datetime.now(UTC),
        actor="command",
        action="account.role_granted",
        subject=user_id,
        address="",
        detail=f'{{"after": "{role}"}}',
    )


def top_up(owner: Owner, user_id: str, **columns: Any) -> str:
    """Write a top-up of 1,000 rupees that was just created. Returns its id."""
    now = datetime.now(UTC)
    row = {
        "id": new_id(),
        "user_id": user_id,
        "environment": "simulator",
        "fiat_amount": 1000,
        "fiat_currency": "INR",
        "fiat_type": 1,
        "asset": "USDT",
        "network": "matic20",
        "payment_method": "UPI",
        "status": "created",
        "charged": "no",
        "rank": 0,
        "has_entry": False,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    } | columns
    insert(owner, "top_ups", **row)
    return str(row["id"])


def keyless_program(owner: Owner, name: str, *, knows: str | None = None) -> None:
    """Write a program with its name as id, unless it exists, and the user that it knows, if given."""
    now = datetime.now(UTC)
    owner.execute("INSERT INTO programs VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (name, name, now))
    if knows is not None:
        program_user(owner, name, knows)


def debit(owner: Owner, user_id: str, **columns: Any) -> str:
    """Write a debit of 5 minor units of USDT by the program `shop`, which books nothing. Returns its id."""
    now = datetime.now(UTC)
    row = {
        "id": new_id(),
        "environment": "simulator",
        "program_id": "shop",
        "reference": secrets.token_hex(8),
        "input_hash": bytes(32),
        "user_id": user_id,
        "asset": "USDT",
        "amount_minor": 5,
        "is_hold": False,
        "status": "posted",
        "posted_minor": columns.get("amount_minor", 5),
        "released_minor": 0,
        "reversed_minor": 0,
        "created_at": now,
        "updated_at": now,
    } | columns
    keyless_program(owner, str(row["program_id"]))
    insert(owner, "debits", **row)
    return str(row["id"])


def step(owner: Owner, top_up_id: str, **columns: Any) -> None:
    """Write a step of a top-up: its creation by the user, or a read if `status_class` is given."""
    read = {"act": "read", "source": "poll", "status": "processing", "charged": "yes"}
    row = {
        "top_up_id": top_up_id,
        "at": datetime.now(UTC),
        "act": "created",
        "source": "user",
        "status": "created",
        "charged": "no",
        "detail": columns.get("status_class", ""),
    }
    insert(owner, "top_up_steps", **(row | (read if "status_class" in columns else {}) | columns))


def widget_session(owner: Owner, top_up_id: str, **columns: Any) -> str:
    """Write a top-up's widget session, offered for an hour. Returns its recognition id."""
    now = datetime.now(UTC)
    row = {
        "recognition_id": secrets.token_hex(16),
        "top_up_id": top_up_id,
        "environment": "simulator",
        "asset": "USDT",
        "network": "matic20",
        "address": "0xaaaa",
        "fiat_amount": 1000,
        "url": "http://localhost:8001/main/buy/?appId=1",
        "created_at": now,
        "offered_until": now + timedelta(hours=1),
    } | columns
    insert(owner, "widget_sessions", **row)
    return str(row["recognition_id"])


def program(owner: Owner, *, name: str = "", **columns: Any) -> tuple[str, str]:
    """Write a program with a key, by default one with every scope. Returns the program's id and the key."""
    program_id = new_id()
    name = name or f"shop {program_id[-6:]}"
    insert(owner, "programs", id=program_id, name=name, created_at=datetime.now(UTC))
    return program_id, api_key(owner, program_id, **columns)


def api_key(owner: Owner, program_id: str, **columns: Any) -> str:
    """Write another key of a program. Returns the key."""
    secret = keys.new_secret()
    row = {
        "id": new_id(),
        "program_id": program_id,
        "secret_hash": keys.hash_of(secret),
        "scopes": [scope.value for scope in Scope],
        "networks": [],
        "requests_per_minute": 600,
        "made_at": datetime.now(UTC),
    } | columns
    insert(owner, "api_keys", **row)
    return keys.written(str(row["id"]), secret)


def add_money_link(owner: Owner, program_id: str, user_id: str, **columns: Any) -> str:
    """Write an add-money link of a program for a user; no known token opens it. Returns its id."""
    now = datetime.now(UTC)
    row = {
        "id": new_id(),
        "environment": "simulator",
        "program_id": program_id,
        "user_id": user_id,
        "input_hash": bytes(32),
        "token_hash": secrets.token_bytes(32),
        "created_at": now,
        "expires_at": now + timedelta(hours=1),
    } | columns
    insert(owner, "add_money_links", **row)
    return str(row["id"])


def program_user(owner: Owner, program_id: str, user_id: str, *, external_id: str = "") -> str:
    """Link an account to a program. Returns the program's external id for it."""
    external_id = external_id or f"customer-{user_id[-6:]}"
    insert(
        owner,
        "program_users",
        program_id=program_id,
        external_id=external_id,
        user_id=user_id,
        created_at=datetime.now(UTC),
    )
    return external_id


def webhook_endpoint(owner: Owner, program_id: str, **columns: Any) -> str:
    """Write a program's endpoint subscribed to all event types, and a key if it has none. Returns its id."""
    if owner.execute("SELECT FROM api_keys WHERE program_id = %s", (program_id,)).fetchone() is None:
        api_key(owner, program_id)
    now = datetime.now(UTC)
    row = {
        "id": new_id(),
        "program_id": program_id,
        "url": "https://shop.example/hook",
        "event_types": [],
        "sealed_secret": bytes(60),
        "made_at": now,
        "updated_at": now,
    } | columns
    insert(owner, "webhook_endpoints", **row)
    return str(row["id"])


def outgoing_delivery(owner: Owner, endpoint_id: str, user_id: str, **columns: Any) -> str:
    """Write an event about a user with a waiting delivery to an endpoint. Returns the delivery's id."""
    now, event_id = datetime.now(UTC), new_id()
    owner.execute(
        "INSERT INTO outgoing_events (id, program_id, user_id, type, object, data, created_at)"
        " SELECT %s, program_id, %s, 'kyc.changed', 'kyc', '{}', %s FROM webhook_endpoints WHERE id = %s",
        (event_id, user_id, now, endpoint_id),
    )
    row = {
        "id": new_id(),
        "event_id": event_id,
        "endpoint_id": endpoint_id,
        "object": "kyc",
        "sequence": 1,
        "state": "waiting",
        "made_at": now,
        "due_at": now,
    } | columns
    insert(owner, "outgoing_deliveries", **row)
    return str(row["id"])
