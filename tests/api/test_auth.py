"""The account routes as a program sees them."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from types import SimpleNamespace

import httpx
import psycopg
import pytest

from onramp_app.accounts import passwords
from onramp_app.sign_in import sign_in
from onramp_app.throttle import throttle
from tests.people import PASSWORD, Person

NewPerson = Callable[..., Awaitable[Person]]


def _assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def _sign_in(client: httpx.AsyncClient, person: Person, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/login", json={"email": person.email, "password": password})


async def _me(client: httpx.AsyncClient, access_token: str) -> int:
    answer = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {access_token}"})
    return answer.status_code


async def test_registering_opens_an_account_and_a_session(client: httpx.AsyncClient) -> None:
    body = {"email": "Ada@Example.COM", "password": PASSWORD, "display_name": " Ada ", "country": "IN"}
    answer = await client.post("/api/auth/register", json=body)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    given = answer.json()
    assert set(given) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert (given["token_type"], 595 <= given["expires_in"] <= 600) == ("bearer", True)
    user = given["user"]
    created_at = datetime.fromisoformat(user.pop("created_at"))
    assert created_at.utcoffset() == timedelta(0)
    assert user.pop("id")
    assert user == {
        "email": "ada@example.com",
        "display_name": "Ada",
        "country": "IN",
        "display_currency": "INR",
        "language": "en",
        "role": "user",
        "kyc": {"status": "none", "tier": "none"},
    }
    assert await _me(client, given["access_token"]) == 200


async def test_what_was_left_out_at_registration_has_sensible_values(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/auth/register", json={"email": "bo@example.com", "password": PASSWORD})
    user = answer.json()["user"]
    assert (user["display_name"], user["country"], user["display_currency"]) == ("bo", None, "USD")


async def test_an_email_is_taken_whatever_its_case(client: httpx.AsyncClient, ada: Person) -> None:
    body = {"email": ada.email.upper(), "password": PASSWORD}
    _assert_problem(await client.post("/api/auth/register", json=body), 409, "email_taken")


async def test_of_many_registrations_at_once_one_gets_the_email(client: httpx.AsyncClient) -> None:
    body = {"email": "many@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(client.post("/api/auth/register", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]


UNUSABLE = (
    ("email", "nobody"),
    ("email", "a@b"),
    ("email", "a\0@example.com"),
    ("email", f"{'a' * 250}@example.com"),
    ("password", "short-1"),
    ("password", "x" * 129),
    ("password", "password123"),
    ("password", "qwertyuiop"),
    ("display_name", ""),
    ("display_name", "   "),
    ("display_name", "a" * 81),
    ("display_name", "tab\tbed"),
    ("display_name", "nul\0"),
    ("display_name", "\u202eevil"),
    ("display_name", "\u200b"),
    ("country", "XX"),
    ("country", "India"),
    ("display_currency", "ABC"),
    ("display_currency", "DEM"),
    ("role", "admin"),
    ("email", None),
    ("email", 5),
    ("email", ["a@example.com"]),
)


async def test_a_field_that_cannot_be_used_is_named(client: httpx.AsyncClient) -> None:
    for field, value in UNUSABLE:
        body = {"email": "new@example.com", "password": PASSWORD, field: value}
        answer = await client.post("/api/auth/register", json=body)
        _assert_problem(answer, 422, "validation_failed")
        assert [error["field"] for error in answer.json()["errors"]] == [field], value


async def test_a_password_made_of_the_email_is_refused(client: httpx.AsyncClient) -> None:
    for password in ("grizelda77", "GRIZELDA77"):
        body = {"email": "grizelda77@example.com", "password": password}
        _assert_problem(await client.post("/api/auth/register", json=body), 422, "validation_failed")
    body = {"email": "somebody@example.com", "password": "grizelda77"}
    assert (await client.post("/api/auth/register", json=body)).status_code == 201


async def test_a_body_that_is_not_a_json_object_of_text_is_refused(client: httpx.AsyncClient) -> None:
    surrogates = b'{"email": "\\ud800", "password": "\\ud800"}'
    for content in (b"", b"{", b"[]", b'"x"', surrogates, b"\xff\xfe", b"[" * 60_000):
        for path in ("register", "login", "refresh"):
            answer = await client.post(
                f"/api/auth/{path}", content=content, headers={"content-type": "application/json"}
            )
            _assert_problem(answer, 422, "validation_failed")


async def test_registering_is_throttled_by_address(client: httpx.AsyncClient) -> None:
    body = {"email": "not an address", "password": PASSWORD}
    answers = [await client.post("/api/auth/register", json=body) for _ in range(31)]
    assert {answer.status_code for answer in answers[:30]} == {422}
    _assert_problem(answers[30], 429, "rate_limited")
    assert 0 < int(answers[30].headers["retry-after"]) <= 3600


async def test_signing_in_answers_like_registering_and_sets_no_cookie(
    client: httpx.AsyncClient, ada: Person
) -> None:
    body = {"email": f" {ada.email.upper()} ", "password": PASSWORD, "otp": "123456"}
    answer = await client.post("/api/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.json()["user"]["id"] == ada.id
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


async def test_a_password_typed_in_another_unicode_form_is_the_same(client: httpx.AsyncClient) -> None:
    body = {"email": "ada@example.com", "password": "cre\u0300me-br\u00fbl\u00e9e-88"}
    assert (await client.post("/api/auth/register", json=body)).status_code == 201
    login = body | {"password": "cr\u00e8me-bru\u0302le\u0301e-88"}
    assert (await client.post("/api/auth/login", json=login)).status_code == 200


async def _known_to_unknown_time(client: httpx.AsyncClient, person: Person) -> float:
    """Compare the processor time of refusing a wrong password and an unknown email."""

    async def attempt(email: str) -> float:
        started = time.process_time()  # of all threads; unlike the clock, untouched by other processes
        answer = await client.post("/api/auth/login", json={"email": email, "password": "not-this-one"})
        _assert_problem(answer, 401, "invalid_credentials")
        return time.process_time() - started

    known, unknown = [], []
    for number in range(9):
        known.append(await attempt(person.email))
        unknown.append(await attempt(f"unknown{number}@example.com"))
    ratio = statistics.median(known) / statistics.median(unknown)
    print(f"processor time for a known address to that for an unknown one: {ratio:.2f}")  # noqa: T201 - the figure
    return ratio


@pytest.mark.usefixtures("production_password_cost")
async def test_wrong_password_and_unknown_email_get_the_same_answer_in_the_same_time(
    client: httpx.AsyncClient, ada: Person
) -> None:
    answers = [
        await client.post("/api/auth/login", json={"email": email, "password": "not-this-one"})
        for email in (ada.email, "unknown@example.com")
    ]
    assert answers[0].json() == answers[1].json()
    throttle.forget()
    assert 0.6 < await _known_to_unknown_time(client, ada) < 1.6


@pytest.mark.usefixtures("production_password_cost")
async def test_the_comparison_of_times_notices_a_missing_hash(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(password: str, password_hash: str | None, **where: object) -> tuple[bool, str | None]:
        return await passwords.verify_password(password, password_hash) if password_hash else (False, None)

    monkeypatch.setattr(
        sign_in, "passwords", SimpleNamespace(**{**vars(passwords), "verify_password": careless})
    )
    assert await _known_to_unknown_time(client, ada) > 1.6


async def test_ten_failures_shut_an_account_for_that_address_only(
    client: httpx.AsyncClient, ada: Person, new_person: NewPerson
) -> None:
    bo = await new_person()
    answers = await asyncio.gather(*(_sign_in(client, ada, "not-this-one") for _ in range(14)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
    refused = await _sign_in(client, ada)
    _assert_problem(refused, 429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert (await _sign_in(client, bo)).status_code == 200
    elsewhere = httpx.ASGITransport(app=client._transport.app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://localhost:8000") as other:
        assert (await _sign_in(other, ada)).status_code == 200


async def test_a_success_forgets_the_failures_before_it(client: httpx.AsyncClient, ada: Person) -> None:
    for _ in range(2):
        for _ in range(9):
            assert (await _sign_in(client, ada, "not-this-one")).status_code == 401
        assert (await _sign_in(client, ada)).status_code == 200


async def test_me_needs_a_user(client: httpx.AsyncClient, ada: Person) -> None:
    routes = [
        ("GET", "me"),
        ("PATCH", "me"),
        ("POST", "logout"),
        ("POST", "password"),
        ("GET", "sessions"),
        ("DELETE", "sessions/x"),
    ]
    for method, path in routes:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
            answer = await client.request(method, f"/api/auth/{path}", headers=headers, json={})
            assert answer.status_code == 401, (method, path, headers)
            assert answer.json()["code"] == "unauthenticated"


async def test_the_profile_changes_in_the_given_fields_only(client: httpx.AsyncClient, ada: Person) -> None:
    before = (await client.get("/api/auth/me", headers=ada.headers)).json()
    answer = await client.patch("/api/auth/me", headers=ada.headers, json={"country": "BR"})
    assert answer.json() == {**before, "country": "BR"}
    change = {"display_name": "Ada L.", "display_currency": "BRL", "language": "en"}
    answer = await client.patch("/api/auth/me", headers=ada.headers, json=change)
    assert answer.json() == {**before, "country": "BR", **change}
    assert (await client.get("/api/auth/me", headers=ada.headers)).json() == answer.json()
    assert (await client.patch("/api/auth/me", headers=ada.headers, json={})).json() == answer.json()


async def test_nothing_but_profile_fields_with_real_values_can_be_changed(
    client: httpx.AsyncClient, ada: Person
) -> None:
    before = (await client.get("/api/auth/me", headers=ada.headers)).json()
    for change in (
        {"role": "admin"},
        {"email": "x@example.com"},
        {"kyc": {"tier": "full"}},
        {"kyc_tier": "full"},
        {"id": "x"},
        {"display_name": None},
        {"country": ""},
        {"language": "xx"},
        {"display_name": "ok", "country": "ZZ"},
    ):
        answer = await client.patch("/api/auth/me", headers=ada.headers, json=change)
        _assert_problem(answer, 422, "validation_failed")
    assert (await client.get("/api/auth/me", headers=ada.headers)).json() == before


async def test_logging_out_ends_the_session_at_once(client: httpx.AsyncClient, ada: Person) -> None:
    assert (await client.post("/api/auth/logout", headers=ada.headers)).status_code == 204
    assert await _me(client, ada.access_token) == 401
    answer = await client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    _assert_problem(answer, 401, "unauthenticated")


async def test_changing_the_password_ends_the_other_sessions(client: httpx.AsyncClient, ada: Person) -> None:
    other = (await _sign_in(client, ada)).json()
    body = {"current_password": PASSWORD, "new_password": "marble-teapot-92"}
    answer = await client.post("/api/auth/password", headers=ada.headers, json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await _me(client, ada.access_token) == 200
    assert await _me(client, other["access_token"]) == 401
    refreshed = await client.post("/api/auth/refresh", json={"refresh_token": other["refresh_token"]})
    _assert_problem(refreshed, 401, "unauthenticated")
    _assert_problem(await _sign_in(client, ada), 401, "invalid_credentials")
    assert (await _sign_in(client, ada, "marble-teapot-92")).status_code == 200


async def test_a_password_change_needs_the_current_one_and_a_good_new_one(
    client: httpx.AsyncClient, ada: Person
) -> None:
    async def change(current: str, new: str) -> httpx.Response:
        body = {"current_password": current, "new_password": new}
        return await client.post("/api/auth/password", headers=ada.headers, json=body)

    _assert_problem(await change("not-this-one", "marble-teapot-92"), 401, "invalid_credentials")
    weak = await change(PASSWORD, "password1")
    _assert_problem(weak, 422, "validation_failed")
    assert weak.json()["errors"][0]["field"] == "new_password"
    assert (await _sign_in(client, ada)).status_code == 200


async def test_guessing_the_current_password_is_throttled(client: httpx.AsyncClient, ada: Person) -> None:
    body = {"current_password": "not-this-one", "new_password": "marble-teapot-92"}
    statuses = [
        (await client.post("/api/auth/password", headers=ada.headers, json=body)).status_code
        for _ in range(11)
    ]
    assert statuses == [401] * 10 + [429]


async def test_sessions_are_listed_newest_first_and_page_by_page(
    client: httpx.AsyncClient, ada: Person
) -> None:
    for number in range(4):
        await client.post(
            "/api/auth/login",
            json={"email": ada.email, "password": PASSWORD},
            headers={"User-Agent": f"app {number}\tx" + "y" * 300},
        )
    answer = (await client.get("/api/auth/sessions", headers=ada.headers)).json()
    assert answer["next_cursor"] is None
    items = answer["items"]
    assert len(items) == 5
    assert [item["created_at"] for item in items] == sorted((i["created_at"] for i in items), reverse=True)
    assert [item["current"] for item in items] == [False] * 4 + [True]
    assert items[0]["device"].startswith("app 3xyyy")
    assert (len(items[0]["device"]), items[0]["kind"], items[0]["address"]) == (200, "program", "127.0.0.1")

    seen, cursor = [], None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/auth/sessions", headers=ada.headers, params=query)).json()
        seen += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
        assert len(page["items"]) == 2
    assert seen == items


async def test_a_page_that_cannot_be_had_is_refused(client: httpx.AsyncClient, ada: Person) -> None:
    for query in ("limit=0", "limit=101", "limit=x", "cursor=x", "cursor=%00", "cursor="):
        answer = await client.get(f"/api/auth/sessions?{query}", headers=ada.headers)
        _assert_problem(answer, 422, "validation_failed")


async def test_ending_a_session_refuses_its_tokens_at_once(client: httpx.AsyncClient, ada: Person) -> None:
    other = (await _sign_in(client, ada)).json()
    items = (await client.get("/api/auth/sessions", headers=ada.headers)).json()["items"]
    (other_id,) = [item["id"] for item in items if not item["current"]]
    assert await _me(client, other["access_token"]) == 200
    answer = await client.delete(f"/api/auth/sessions/{other_id}", headers=ada.headers)
    assert answer.status_code == 204
    assert await _me(client, other["access_token"]) == 401
    assert await _me(client, ada.access_token) == 200
    again = await client.delete(f"/api/auth/sessions/{other_id}", headers=ada.headers)
    _assert_problem(again, 404, "not_found")
    assert len((await client.get("/api/auth/sessions", headers=ada.headers)).json()["items"]) == 1


async def test_somebody_elses_session_is_not_found_and_stays(
    client: httpx.AsyncClient, ada: Person, new_person: NewPerson
) -> None:
    bo = await new_person()
    (session,) = (await client.get("/api/auth/sessions", headers=bo.headers)).json()["items"]
    for wanted in (session["id"], "x", "%00", "0" * 32, "' OR 1=1"):
        answer = await client.delete(f"/api/auth/sessions/{wanted}", headers=ada.headers)
        _assert_problem(answer, 404, "not_found")
    assert await _me(client, bo.access_token) == 200


async def test_a_program_that_was_idle_for_thirty_days_signs_in_again(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "UPDATE auth_sessions SET created_at = created_at - interval '30 days', "
            "expires_at = expires_at - interval '30 days'"
        )
    assert await _me(client, ada.access_token) == 401
    answer = await client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    _assert_problem(answer, 401, "unauthenticated")


async def test_a_database_that_is_away_is_said_so(
    client: httpx.AsyncClient, ada: Person, database: str, postgres_server: str
) -> None:
    name = database.rsplit("/", 1)[1]
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as owner:
        owner.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        answer = await client.get("/api/auth/me", headers=ada.headers)
        _assert_problem(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        owner.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert await _me(client, ada.access_token) == 200
