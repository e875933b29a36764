"""The security events of an account are shown only to its owner, and kept in the audit log."""

import json
from collections.abc import Awaitable, Callable
from getpass import getuser
from socket import gethostname

import httpx
import psycopg
import pytest

from onramp_app.accounts.words import Role
from onramp_app.operators import roles
from tests.ledger.books import findings
from tests.people import PASSWORD, Person

NEW_PASSWORD = "marble-teapot-92"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"}


async def _events(client: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, str]]:
    answer = await client.get("/api/auth/events", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["items"]


async def _sign_in_in_a_browser(
    client: httpx.AsyncClient, person: Person, password: str = PASSWORD, cookie: str = ""
) -> dict[str, str]:
    """Sign in by the browser's form; return the cookies that the answer sets."""
    client.cookies.clear()
    form = {"email": person.email, "password": password}
    answer = await client.post(
        "/api/auth/session", data=form, headers={**BROWSER, **({"Cookie": cookie} if cookie else {})}
    )
    cookies = dict(answer.cookies)
    client.cookies.clear()
    return cookies


def _audit(database: str) -> list[tuple[str, str, str, str]]:
    with psycopg.connect(database) as owner:
        return owner.execute(
            "SELECT actor, action, subject, address FROM audit_log ORDER BY at, id"
        ).fetchall()


async def test_each_event_is_told_newest_first_with_device_and_address(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    cookies = await _sign_in_in_a_browser(client, ada)
    await _sign_in_in_a_browser(client, ada, cookie=f"device={cookies['device']}")
    sessions = (await client.get("/api/auth/sessions", headers=ada.headers)).json()["items"]
    await client.delete(f"/api/auth/sessions/{sessions[0]['id']}", headers=ada.headers)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await client.post("/api/auth/password", headers=ada.headers, json=body)
    login = {"email": ada.email, "password": NEW_PASSWORD}
    program = (await client.post("/api/auth/login", json=login)).json()
    await client.post("/api/auth/logout", headers={"Authorization": f"Bearer {program['access_token']}"})

    events = await _events(client, ada.headers)
    assert [event["kind"] for event in events] == [
        "signed_out",
        "signed_in",
        "password_changed",
        "session_ended",
        "signed_in",
        "new_device",
        "signed_in",
    ]
    assert [event["at"] for event in events] == sorted((event["at"] for event in events), reverse=True)
    assert {event["address"] for event in events} == {"127.0.0.1"}
    assert events[3]["device"] == events[4]["device"] == BROWSER["User-Agent"]
    assert _audit(database) == [
        (ada.id, "account.new_device", ada.id, "127.0.0.1"),
        (ada.id, "session.ended", ada.id, "127.0.0.1"),
        (ada.id, "account.password_changed", ada.id, "127.0.0.1"),
    ]
    assert await findings() == [], "the lines are in the chain of the books"


async def test_a_theft_of_a_refresh_token_is_told_once(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    async def refresh(token: str) -> httpx.Response:
        return await client.post("/api/auth/refresh", json={"refresh_token": token})

    second = (await refresh(ada.refresh_token)).json()["refresh_token"]
    await refresh(second)
    for _ in range(3):
        assert (await refresh(ada.refresh_token)).json()["code"] == "refresh_token_reused"
    again = (await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})).json()
    events = await _events(client, {"Authorization": f"Bearer {again['access_token']}"})
    assert [event["kind"] for event in events] == ["signed_in", "refresh_token_reused", "signed_in"]
    assert _audit(database) == [("system", "session.refresh_token_reused", ada.id, "127.0.0.1")]


async def test_a_new_role_ends_all_sessions_and_is_told(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    cookies = await _sign_in_in_a_browser(client, ada)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE users SET email_confirmed_at = now()")
    await roles.grant_role(ada.email, Role.OPERATOR)
    for headers in (ada.headers, {"Cookie": f"session={cookies['session']}"}):
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 401
    fresh = (await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})).json()
    assert fresh["user"]["role"] == "operator"
    headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    signed_in, role_changed, *_ = await _events(client, headers)
    assert (signed_in["kind"], role_changed["kind"]) == ("signed_in", "role_changed")
    assert role_changed["address"] == "", "the name of the operator's machine stays in the log"
    await roles.grant_role(ada.email, Role.OPERATOR)
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 200, "nothing changed"
    (line,) = [line for line in _audit(database) if line[1] == "account.role_granted"]
    assert line == ("command", "account.role_granted", ada.id, f"{getuser()}@{gethostname()}"[:45])


async def test_a_known_device_is_no_new_one_for_the_accounts_that_used_it(
    client: httpx.AsyncClient, ada: Person, new_person: Callable[..., Awaitable[Person]], database: str
) -> None:
    people = [ada, *[await new_person() for _ in range(5)]]
    device = ""
    for person in people:
        cookies = await _sign_in_in_a_browser(client, person, cookie=f"device={device}" if device else "")
        assert not device or cookies["device"].split("~")[0] == device.split("~", maxsplit=1)[0], (
            "one device, one id"
        )
        device = cookies["device"]
    assert len(device.split("~")) == 6, "an id and five accounts"
    before = len(_audit(database))
    for person in people[1:]:
        await _sign_in_in_a_browser(client, person, cookie=f"device={device}")
    assert len(_audit(database)) == before
    await _sign_in_in_a_browser(client, ada, cookie=f"device={device}")
    assert len(_audit(database)) == before + 1, "the sixth account has pushed the first out"


@pytest.mark.parametrize(
    "change",
    [
        lambda value: "x" * 22 + value[22:],
        lambda value: value[:-1] + ("A" if value[-1] != "A" else "E"),
        lambda value: value.replace("~", "~1", 1),
        lambda value: value.split("~")[0],
        lambda value: value + "~" + value.split("~")[1],
        lambda value: value * 9,
        lambda _: "=;~~.",
    ],
    ids=["another id", "another code", "another time", "no entry", "twice", "long", "odd"],
)
async def test_a_device_cookie_that_was_changed_makes_nothing_known(
    client: httpx.AsyncClient, ada: Person, database: str, change: Callable[[str], str]
) -> None:
    value = (await _sign_in_in_a_browser(client, ada))["device"]
    before = len(_audit(database))
    changed = change(value)
    cookies = await _sign_in_in_a_browser(client, ada, cookie=f"device={changed}")
    assert "session" in cookies
    is_still_genuine = changed.startswith(value) and changed.count("~") == 2
    assert len(_audit(database)) == before + (0 if is_still_genuine else 1)


async def test_all_are_told_page_by_page_and_nothing_of_others(
    client: httpx.AsyncClient, ada: Person, bo: Person
) -> None:
    for _ in range(3):
        await client.post("/api/auth/login", json={"email": bo.email, "password": PASSWORD})
        await client.post("/api/auth/logout", headers=await _program(client, bo))
    whole = await _events(client, bo.headers)
    assert len(whole) == 10
    paged: list[dict[str, str]] = []
    query: dict[str, str] = {"limit": "3"}
    while query:
        answer = (await client.get("/api/auth/events", headers=bo.headers, params=query)).json()
        paged += answer["items"]
        query = {"limit": "3", "cursor": answer["next_cursor"]} if answer["next_cursor"] else {}
    assert paged == whole
    assert len(await _events(client, ada.headers)) == 1
    assert (await client.get("/api/auth/events")).status_code == 401
    refused = await client.get("/api/auth/events", headers=bo.headers, params={"cursor": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")


async def _program(client: httpx.AsyncClient, person: Person) -> dict[str, str]:
    login = {"email": person.email, "password": PASSWORD}
    token = (await client.post("/api/auth/login", json=login)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def test_a_deed_holds_no_secret(client: httpx.AsyncClient, ada: Person, database: str) -> None:
    cookies = await _sign_in_in_a_browser(client, ada)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await client.post("/api/auth/password", headers=ada.headers, json=body)
    with psycopg.connect(database) as owner:
        stored = json.dumps(owner.execute("SELECT * FROM audit_log").fetchall(), default=str)
    for secret in (PASSWORD, NEW_PASSWORD, *cookies.values(), ada.refresh_token, "argon2"):
        assert secret not in stored
