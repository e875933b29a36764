"""The browser's forms: the cookie they set, where they redirect, and which sites may post them."""

import base64
import json
from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from onramp_app.config import AppEnv, get_settings
from tests.people import PASSWORD, Person

OURS = "http://localhost:3000"


@pytest.fixture(autouse=True)
def pages(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings as in development, where the pages and the API have different origins."""
    monkeypatch.setenv("PUBLIC_URL", OURS)
    get_settings.cache_clear()


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, pages: None) -> Iterator[None]:
    settings = get_settings().model_copy(
        update={"app_env": AppEnv.PRODUCTION, "public_url": "https://wallet.bank.com"}
    )
    for module in ("api.frame.identity", "api.frame.forms", "accounts.cookies", "accounts.fields"):
        monkeypatch.setattr(f"onramp_app.{module}.get_settings", lambda: settings)
    return


async def _sign_in(client: httpx.AsyncClient, person: Person, **fields: str) -> httpx.Response:
    form = {"email": person.email, "password": PASSWORD, **fields}
    return await client.post("/api/auth/session", data=form, headers={"Origin": OURS})


def _cookies(answer: httpx.Response) -> dict[str, Morsel[str]]:
    found: dict[str, Morsel[str]] = {}
    for header in answer.headers.get_list("set-cookie"):
        found.update(SimpleCookie(header))
    return found


def _typed(answer: httpx.Response) -> dict[str, str]:
    value = _cookies(answer)["form"].value
    return json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))


def _session_header(answer: httpx.Response) -> dict[str, str]:
    return {"Cookie": f"theme=dark; session={_cookies(answer)['session'].value}; x"}


async def _me(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    client.cookies.clear()
    return (await client.get("/api/auth/me", headers=headers)).status_code


async def test_signing_in_sets_the_cookie_and_goes_home(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await _sign_in(client, ada)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{OURS}/home")
    assert answer.headers["cache-control"] == "no-store"
    cookie = _cookies(answer)["session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["max-age"], cookie["secure"], cookie["domain"]) == ("43200", "", "")
    assert _cookies(answer)["form"]["max-age"] == "0"
    assert await _me(client, _session_header(answer)) == 200
    device = _cookies(answer)["device"]
    assert (device["httponly"], device["samesite"], device["path"]) == (True, "lax", "/")
    assert (device["max-age"], device["secure"], device["domain"]) == (str(180 * 86_400), "", "")
    assert await _me(client, {"Cookie": f"device={device.value}; session={device.value}"}) == 401


@pytest.mark.usefixtures("production")
async def test_in_production_the_cookie_is_secure_and_bound_to_the_host(
    client: httpx.AsyncClient, ada: Person
) -> None:
    form = {"email": ada.email, "password": PASSWORD, "next": "/activity"}
    answer = await client.post("/api/auth/session", data=form, headers={"Origin": "https://wallet.bank.com"})
    assert answer.headers["location"] == "https://wallet.bank.com/activity"
    cookie = _cookies(answer)["__Host-session"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        True,
        True,
        "lax",
        "/",
    )
    assert cookie["domain"] == ""
    assert await _me(client, {"Cookie": f"__Host-session={cookie.value}"}) == 200
    device = _cookies(answer)["__Host-device"]
    assert (device["secure"], device["httponly"], device["path"], device["domain"]) == (True, True, "/", "")
    assert await _me(client, {"Cookie": f"session={cookie.value}"}) == 401


async def test_without_a_public_address_the_way_on_is_a_path(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLIC_URL")
    get_settings.cache_clear()
    form = {"email": ada.email, "password": PASSWORD}
    answer = await client.post("/api/auth/session", data=form, headers={"Origin": "http://localhost:8000"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/home")
    answer = await client.post("/api/auth/session", data=form, headers={"Origin": OURS})
    assert answer.status_code == 403


async def test_next_stays_on_this_site(client: httpx.AsyncClient, ada: Person) -> None:
    for wanted, location in (
        ("/add-money?asset=USDT", "/add-money?asset=USDT"),
        ("/activity/1#x", "/activity/1#x"),
        ("", "/home"),
        ("//evil.example", "/home"),
        ("https://evil.example", "/home"),
        ("/\\evil.example", "/home"),
        ("/%2F/evil.example", "/home"),
        ("javascript:alert(1)", "/home"),
        ("/\r\nSet-Cookie: a=b", "/home"),
    ):
        answer = await _sign_in(client, ada, next=wanted)
        assert (answer.status_code, answer.headers["location"]) == (303, OURS + location)


async def test_a_refusal_goes_back_to_the_form_with_a_reason_and_what_was_typed(
    client: httpx.AsyncClient, ada: Person
) -> None:
    answer = await _sign_in(client, ada, password="not-this-one", next="/add-money?a=1&b=2")
    assert answer.status_code == 303
    location = urlsplit(answer.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{OURS}/login"
    assert parse_qs(location.query) == {"reason": ["invalid_credentials"], "next": ["/add-money?a=1&b=2"]}
    assert ada.email.split("@")[0] not in answer.headers["location"]
    assert set(_cookies(answer)) == {"form"}
    cookie = _cookies(answer)["form"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "lax", "120")
    assert _typed(answer) == {"email": ada.email}


async def test_each_refusal_has_its_reason(client: httpx.AsyncClient, ada: Person) -> None:
    async def reason(**fields: str) -> str:
        answer = await _sign_in(client, ada, **fields)
        assert answer.status_code == 303
        assert "session" not in _cookies(answer)
        return parse_qs(urlsplit(answer.headers["location"]).query)["reason"][0]

    assert await reason(password="") == "validation_failed"
    assert await reason(email="") == "validation_failed"
    assert await reason(password="x" * 129) == "validation_failed"
    assert await reason(email="not an address") == "invalid_credentials"
    assert await reason(email="unknown@example.com") == "invalid_credentials"
    reasons = [await reason(password="not-this-one") for _ in range(11)]
    assert reasons == ["invalid_credentials"] * 10 + ["rate_limited"]
    assert await reason() == "rate_limited"


async def test_a_body_that_is_no_form_goes_back_to_the_form(client: httpx.AsyncClient) -> None:
    many = b"&".join(b"a%d=1" % number for number in range(99))
    for content in (b"", b"\xff\xfe", b"a=%ff", many, b'{"email": "x"}', b"\0"):
        for path, page, reason in (
            ("session", "/login", "validation_failed"),
            ("registration", "/register", "weak_password"),
        ):
            answer = await client.post(f"/api/auth/{path}", content=content, headers={"Origin": OURS})
            assert answer.status_code == 303
            place = (
                "#said" if reason == "validation_failed" else ""
            )  # said above the form, not beside a field
            assert answer.headers["location"] == f"{OURS}{page}?reason={reason}{place}"


@pytest.mark.parametrize("path", ["session", "registration", "session/end"])
async def test_another_site_cannot_post_a_form(client: httpx.AsyncClient, ada: Person, path: str) -> None:
    cookie = _session_header(await _sign_in(client, ada))
    client.cookies.clear()
    form = {"email": ada.email, "password": PASSWORD}
    for origin in (
        "null", "", "https://evil.example", "http://localhost:3001", "https://localhost:3000",
        "http://localhost", "http://localhost:3000.evil.example", "http://evil.example/http://localhost:3000",
        "localhost:3000", "http://localhost:x", "http://user@evil.example:3000", "http://127.0.0.1:3001",
    ):  # fmt: skip
        answer = await client.post(f"/api/auth/{path}", data=form, headers={"Origin": origin, **cookie})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), origin
        assert "set-cookie" not in answer.headers
    assert await _me(client, cookie) == 200


async def test_both_names_of_this_machine_are_our_pages_in_development(
    client: httpx.AsyncClient, ada: Person
) -> None:
    """The cookie is for the host name that the person typed, so the redirect stays on that host."""
    form = {"email": ada.email, "password": PASSWORD}
    for origin in (OURS, "http://127.0.0.1:3000"):
        answer = await client.post("/api/auth/session", data=form, headers={"Origin": origin})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{origin}/home")
        refused = await client.post(
            "/api/auth/session", data={**form, "password": "x"}, headers={"Origin": origin}
        )
        assert refused.headers["location"].startswith(f"{origin}/login?reason=")


async def test_what_a_proxy_calls_us_counts_nowhere(client: httpx.AsyncClient, ada: Person) -> None:
    form = {"email": ada.email, "password": PASSWORD}
    forwarded = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }
    answer = await client.post(
        "/api/auth/session", data=form, headers={**forwarded, "Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    answer = await client.post("/api/auth/session", data=form, headers={**forwarded, "Origin": OURS})
    assert answer.headers["location"] == f"{OURS}/home"


async def test_another_site_cannot_delete_the_cookie_that_a_browser_does_not_send_it(
    client: httpx.AsyncClient,
) -> None:
    """`SameSite=Lax` keeps the cookie out of another site's form post, but would let the answer delete it."""
    for method, path in (("POST", "session/end"), ("DELETE", "session")):
        answer = await client.request(method, f"/api/auth/{path}", headers={"Origin": "https://evil.example"})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        answer = await client.request(method, f"/api/auth/{path}", headers={"Origin": OURS})
        assert "set-cookie" in answer.headers, "the control"


async def test_a_form_without_an_origin_comes_from_no_browser_and_is_taken(
    client: httpx.AsyncClient, ada: Person
) -> None:
    form = {"email": ada.email, "password": PASSWORD}
    answer = await client.post("/api/auth/session", data=form)
    assert (answer.status_code, "session" in _cookies(answer)) == (303, True)


@pytest.mark.parametrize(
    ("origin", "status"), [(OURS, 200), ("HTTP://LOCALHOST:3000", 200), (None, 403), ("null", 403),
                           ("https://evil.example", 403)]
)  # fmt: skip
async def test_a_cookie_changes_things_only_from_our_pages(
    client: httpx.AsyncClient, ada: Person, origin: str | None, status: int
) -> None:
    headers = _session_header(await _sign_in(client, ada))
    client.cookies.clear()
    assert await _me(client, headers) == 200  # reading needs no Origin
    if origin is not None:
        headers["Origin"] = origin
    answer = await client.patch("/api/auth/me", headers=headers, json={"display_name": "Changed"})
    assert answer.status_code == status


async def test_a_program_needs_no_origin(client: httpx.AsyncClient, ada: Person) -> None:
    for headers in ({}, {"Origin": "https://partner.example"}):
        answer = await client.patch(
            "/api/auth/me", headers={**ada.headers, **headers}, json={"display_name": "Changed"}
        )
        assert answer.status_code == 200


async def test_one_kind_of_session_never_passes_for_the_other(client: httpx.AsyncClient, ada: Person) -> None:
    cookie_value = _cookies(await _sign_in(client, ada))["session"].value
    assert await _me(client, {"Authorization": f"Bearer {cookie_value}"}) == 401
    assert await _me(client, {"Cookie": f"session={ada.access_token}"}) == 401
    assert await _me(client, {"Cookie": f"session={ada.refresh_token}"}) == 401


async def test_an_odd_cookie_header_is_nobody(client: httpx.AsyncClient) -> None:
    for header in (b"", b"session", b"session=", b";;;=;", b"session=a.b.c", b"x" * 20_000, b"session=\xe9"):
        answer = await client.get("/api/auth/me", headers={"Cookie": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_signing_in_again_renews_the_session(client: httpx.AsyncClient, ada: Person) -> None:
    first = _session_header(await _sign_in(client, ada))
    client.cookies.clear()
    form = {"email": ada.email, "password": PASSWORD}
    second = await client.post("/api/auth/session", data=form, headers={"Origin": OURS, **first})
    assert await _me(client, first) == 401
    assert await _me(client, _session_header(second)) == 200
    assert await _me(client, ada.headers) == 200


async def test_registering_in_the_browser_signs_in(client: httpx.AsyncClient) -> None:
    form = {
        "email": "new@example.com", "password": PASSWORD, "display_name": "", "country": "DE",
        "display_currency": "EUR", "next": "/add-money", "terms": "on",
    }  # fmt: skip
    answer = await client.post("/api/auth/registration", data=form, headers={"Origin": OURS})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{OURS}/add-money")
    me = await client.get("/api/auth/me", headers=_session_header(answer))
    assert (me.json()["country"], me.json()["display_name"]) == ("DE", "new")


async def test_a_refused_registration_keeps_all_but_the_password(
    client: httpx.AsyncClient, ada: Person
) -> None:
    form = {
        "email": ada.email, "password": PASSWORD, "display_name": "Ada Ω", "country": "IN",
        "display_currency": "INR", "next": "/add-money",
    }  # fmt: skip

    async def post(**changes: str) -> httpx.Response:
        return await client.post("/api/auth/registration", data={**form, **changes}, headers={"Origin": OURS})

    for changes, reason in (
        ({}, "email_taken"),
        ({"email": "new@example.com", "password": "password1"}, "weak_password"),
        ({"email": "new@example.com", "password": "short"}, "weak_password"),
        ({"email": "new@example"}, "validation_failed"),
        ({"country": "ZZ"}, "validation_failed"),
    ):
        answer = await post(**changes)
        location = answer.headers["location"]
        place = "#said" if reason == "validation_failed" else ""
        back = f"{OURS}/register?reason={reason}&next=%2Fadd-money{place}"
        assert (answer.status_code, location) == (303, back)
        typed = {name: text for name, text in {**form, **changes}.items() if name not in ("password", "next")}
        assert _typed(answer) == typed
        assert "session" not in _cookies(answer)


@pytest.mark.parametrize("way", ["end", "delete"])
async def test_signing_out_ends_the_session_and_deletes_the_cookie(
    client: httpx.AsyncClient, ada: Person, way: str
) -> None:
    cookie = _session_header(await _sign_in(client, ada))
    client.cookies.clear()
    method, path = ("POST", "session/end") if way == "end" else ("DELETE", "session")
    refused = await client.request(method, f"/api/auth/{path}", headers=cookie)
    assert refused.status_code == 403
    answer = await client.request(method, f"/api/auth/{path}", headers={"Origin": OURS, **cookie})
    if way == "end":
        assert (answer.status_code, answer.headers["location"]) == (303, f"{OURS}/login?reason=signed_out")
    else:
        assert answer.status_code == 204
    assert (_cookies(answer)["session"].value, _cookies(answer)["session"]["max-age"]) == ("", "0")
    assert await _me(client, cookie) == 401
    again = await client.request(method, f"/api/auth/{path}", headers={"Origin": OURS})
    assert again.status_code == answer.status_code


async def test_cookies_in_several_fields_are_one_header(client: httpx.AsyncClient, ada: Person) -> None:
    """HTTP/2 may send each cookie in a field of its own (RFC 9113 section 8.2.3)."""
    cookie = _session_header(await _sign_in(client, ada))
    client.cookies.clear()
    crumbs = [("Cookie", "theme=dark"), ("Cookie", cookie["Cookie"]), ("Origin", OURS)]
    assert (await client.get("/api/auth/me", headers=crumbs)).status_code == 200
    assert (await client.post("/api/auth/session/end", headers=crumbs)).status_code == 303
    assert await _me(client, cookie) == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("last_seen_at = last_seen_at - interval '29 minutes'", 200),
        ("last_seen_at = last_seen_at - interval '31 minutes'", 401),
        ("expires_at = expires_at - interval '11 hours 59 minutes'", 200),
        ("expires_at = expires_at - interval '12 hours', created_at = created_at - interval '1 day'", 401),
        ("revoked_at = now(), end_reason = 'ended_by_user'", 401),
    ],
)
async def test_a_browser_session_ends_when_idle_old_or_revoked(
    client: httpx.AsyncClient, ada: Person, database: str, change: str, status: int
) -> None:
    cookie = _session_header(await _sign_in(client, ada))
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"UPDATE auth_sessions SET {change} WHERE kind = 'browser'")
    assert await _me(client, cookie) == status


async def test_last_seen_is_written_once_a_minute(
    client: httpx.AsyncClient, ada: Person, database: str
) -> None:
    cookie = _session_header(await _sign_in(client, ada))
    with psycopg.connect(database, autocommit=True) as owner:

        def seconds_ago() -> float:
            query = (
                "SELECT extract(epoch FROM now() - last_seen_at) FROM auth_sessions WHERE kind = 'browser'"
            )
            return float(owner.execute(query).fetchone()[0])

        for ago, after in ((50, 50), (70, 0)):
            owner.execute("UPDATE auth_sessions SET last_seen_at = now() - make_interval(secs => %s)", (ago,))
            assert await _me(client, cookie) == 200
            assert after <= seconds_ago() < after + 5


async def test_a_password_change_in_one_browser_ends_the_other(
    client: httpx.AsyncClient, ada: Person
) -> None:
    here = _session_header(await _sign_in_afresh(client, ada))
    there = _session_header(await _sign_in_afresh(client, ada))
    body = {"current_password": PASSWORD, "new_password": "marble-teapot-92"}
    answer = await client.post("/api/auth/password", json=body, headers={"Origin": OURS, **here})
    assert answer.status_code == 204
    assert await _me(client, here) == 200
    assert await _me(client, there) == 401
    assert await _me(client, ada.headers) == 401


async def _sign_in_afresh(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    client.cookies.clear()
    answer = await _sign_in(client, person)
    client.cookies.clear()
    return answer


async def test_a_form_that_is_quicker_than_its_page_still_leads_where_the_person_wanted(
    client: httpx.AsyncClient, ada: Person
) -> None:
    form = {"email": ada.email, "password": PASSWORD, "next": "/home"}
    for at, leads_to in (
        (f"{OURS}/login?next=%2Fprofile", "/profile"),
        (f"{OURS}/login?next=https%3A%2F%2Fevil.example", "/home"),
        (f"{OURS}/login", "/home"),
        ("http://[", "/home"),
    ):
        answer = await client.post("/api/auth/session", data=form, headers={"Origin": OURS, "Referer": at})
        assert answer.headers["location"] == f"{OURS}{leads_to}"
