"""The gate in front of the private pages of a production build."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from onramp_app.accounts import sessions
from onramp_app.accounts.sessions import Client
from onramp_app.api.frame.gate import before_private_pages
from onramp_app.config import get_settings
from onramp_app.db import engine
from tests.people import sign_up


@pytest.fixture
async def site():
    transport = httpx.ASGITransport(app=before_private_pages(PlainTextResponse("the page")))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as client:
        yield client


@pytest.fixture
async def session(database):
    return await sign_up(sessions.open_browser, Client("127.0.0.1"))


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/home", "/login?next=%2Fhome"),
        ("/profile/", "/login?next=%2Fprofile"),
        ("/home.html", "/login?next=%2Fhome.html"),
        ("/add-money/0f/", "/login?next=%2Fadd-money%2F0f"),
        ("/profile?a=1&b=%20", "/login?next=%2Fprofile%3Fa%3D1%26b%3D%2520"),
    ],
)
async def test_a_visitor_is_led_to_the_login(database, site, path, address):
    answer = await site.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, address)


async def test_a_living_session_passes_and_an_ended_one_does_not(site, session):
    headers = {"Cookie": f"a=b; session={session.cookie_value}"}
    assert (await site.get("/home", headers=headers)).status_code == 200
    await sessions.end_session(session.viewer.user_id, session.viewer.session_id)
    assert (await site.get("/home", headers=headers)).status_code == 303


@pytest.mark.parametrize("cookie", ["session=abc", "session=", "session=a.b.c", "\xff\xfe;=", "x" * 9000])
async def test_a_cookie_that_is_none_does_not_pass(database, site, cookie):
    assert (await site.get("/home", headers={"Cookie": cookie.encode("latin-1")})).status_code == 303


@pytest.mark.parametrize("path", ["/", "/login", "/homeless", "/assets/home.js", "/fonts/a.woff2"])
async def test_everything_else_passes_without_a_database(monkeypatch, site, path):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/away")
    get_settings.cache_clear()
    assert (await site.get(path, headers={"Cookie": "session=a.b.c"})).text == "the page"
    get_settings.cache_clear()


async def test_without_a_database_the_page_opens_and_says_so_itself(monkeypatch, site, session):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/away")
    await engine.dispose()
    get_settings.cache_clear()
    answer = await site.get("/home", headers={"Cookie": f"session={session.cookie_value}"})
    assert answer.status_code == 200
