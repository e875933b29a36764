"""The headers on every kind of answer, from the server's whole stack over pages made for the test."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from onramp_app.api.build import before_pages
from onramp_app.api.frame.gate import before_private_pages
from onramp_app.api.frame.headers import page_policy, with_headers
from onramp_app.config import Settings, load_settings
from tests.served import whole_api
from tests.test_config import PRODUCTION

SCRIPT, STYLE = "start(1);\r\n", ".mark{fill:teal}"
PAGE = f'<!doctype html><style>{STYLE}</style><script src="/assets/x.js"></script><script>{SCRIPT}</script>'
PAGES = {
    "index.html": PAGE.replace("start(1)", "start(2)"),
    "login/index.html": PAGE,
    "home/index.html": PAGE,
    "404.html": "<!doctype html><title>Nothing here</title><script>missing()</script>",
    "assets/x.js": "x()",
    "assets/root-DQYAB-Ig.js": "x()",
    "favicon.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
}


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _directives(policy: str) -> dict[str, str]:
    return dict((directive.strip() + " ").split(" ", 1) for directive in policy.split(";"))


def _policy(answer: httpx.Response) -> dict[str, str]:
    return {name: sources.strip() for name, sources in _directives(_one(answer, _CSP)).items()}


def _one(answer: httpx.Response, name: str) -> str:
    (value,) = answer.headers.get_list(name)
    return value


_CSP = "content-security-policy"
_ON_EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in PAGES.items():
        path = tmp_path / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return tmp_path / "pages"


def _site(folder: Path, settings: Settings) -> httpx.AsyncClient:
    async def fail(_request: object) -> None:
        raise RuntimeError("a fault of a page")

    pages = Starlette(routes=[Route("/broken", fail), Mount("/", StaticFiles(directory=folder, html=True))])
    served = before_pages(whole_api())(before_private_pages(pages))
    # As Reflex wraps everything it is given.
    served = CORSMiddleware(served, allow_credentials=True, allow_origins=[settings.ui_origin])
    app = with_headers(served, settings, pages_folder=folder)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:3000")


@pytest.fixture
async def site(database: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    assert database
    async with _site(folder, load_settings(app_env="test")) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/login", 307),
        ("GET", "/login/", 200),
        ("GET", "/home", 303),
        ("GET", "/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/broken", 500),
        ("GET", "/assets/x.js", 200),
        ("GET", "/favicon.svg", 200),
        ("GET", "/api/health/live", 200),
        ("HEAD", "/api/health/live", 200),
        ("GET", "/api/auth/me", 401),
        ("POST", "/api/auth/login", 422),
        ("POST", "/api/auth/session/end", 303),
        ("POST", "/api/webhooks/onramp", 401),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/health/live", 405),
        ("GET", "/api/docs", 200),
        ("GET", "/api/docs/files/swagger-ui.css", 200),
        ("GET", "/api/openapi.json", 200),
        ("OPTIONS", "/api/auth/me", 400),
    ],
)
async def test_every_kind_of_answer_carries_the_headers(
    site: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await site.request(method, path, headers=preflight if method == "OPTIONS" else {})
    assert answer.status_code == status
    assert {name: _one(answer, name) for name in _ON_EVERY_ANSWER} == _ON_EVERY_ANSWER
    assert 'camera=(self "http://localhost:8001")' in _one(answer, "permissions-policy")
    assert "geolocation=()" in _one(answer, "permissions-policy")
    policy = _policy(answer)
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert "unsafe" not in _one(answer, _CSP)
    assert "strict-transport-security" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


async def test_the_page_of_a_link_tells_its_address_to_nobody(site: httpx.AsyncClient) -> None:
    for path, policy in (
        ("/link/token", "strict-origin"),
        ("/hi/link/token", "strict-origin"),
        ("/login/", "strict-origin-when-cross-origin"),
        ("/linked", "strict-origin-when-cross-origin"),
    ):
        answer = await site.get(path)
        assert _one(answer, "referrer-policy") == policy, path


async def test_a_page_may_run_its_own_scripts_and_styles_and_no_others(site: httpx.AsyncClient) -> None:
    for address in ("/login/", "//login/", "/login/index.html", "/x/../login/"):
        answer = await site.get(httpx.URL(f"http://localhost:3000{address}"))
        assert answer.status_code == 200
        policy = _policy(answer)
        assert policy["script-src"] == f"'self' {_source('start(1);' + chr(10))}", address
        assert policy["style-src"] == f"'self' {_source(STYLE)} {_source('')}"
        assert policy["frame-src"] == "http://localhost:8001"
        assert policy["connect-src"] == "'self' ws://localhost:3000"
    assert _source("start(2);\n") in _policy(await site.get("/"))["script-src"]
    assert _source("start(1);\n") not in _policy(await site.get("/"))["script-src"]
    unknown = await site.get("/nothing")
    assert "missing()" in unknown.text
    assert _policy(unknown)["script-src"] == f"'self' {_source('missing()')}"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("/login", "/login/"),
        ("/login?next=%2Fhome&x=https://b", "/login/?next=%2Fhome&x=https://b"),
        ("//evil.example/%2E%2E/login", "/evil.example/../login/"),
        ("/%5Cevil.example/%2E%2E/login", "/%5Cevil.example/../login/"),
    ],
)
async def test_a_page_redirects_within_this_site_whatever_the_request_calls_it(
    site: httpx.AsyncClient, address: str, place: str
) -> None:
    """Behind a proxy that terminates TLS, the URL that this server sees also starts with http://."""
    answer = await site.get(httpx.URL(f"http://localhost:3000{address}"), headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, place)


async def test_the_api_knows_an_address_exactly_or_not_at_all(site: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/api/health/live/"), ("POST", "/api/auth/login/")):
        answer = await site.request(method, path, headers={"Host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)
        assert answer.json()["code"] == "not_found"


async def test_what_is_no_page_may_do_nothing(site: httpx.AsyncClient) -> None:
    for path in ("/assets/x.js", "/favicon.svg", "/api/health/live", "/api/nothing", "/api/openapi.json"):
        assert _policy(await site.get(path)) == {"default-src": "'none'", "frame-ancestors": "'none'"}, path


async def test_the_documentation_may_run_its_one_script(site: httpx.AsyncClient) -> None:
    answer = await site.get("/api/docs")
    script = re.search(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    assert script is not None
    policy = _policy(answer)
    assert policy["script-src"] == f"'self' {_source(script[1])}"
    assert (policy["connect-src"], policy["style-src"]) == ("'self'", "'self'")
    assert "frame-src" not in policy


async def test_private_pages_and_answers_are_kept_nowhere(site: httpx.AsyncClient) -> None:
    for path in ("/home", "/home/", "/profile/anything", "/api/auth/me", "/api/balances", "/api/nothing"):
        assert _one(await site.get(path), "cache-control") == "no-store", path


async def test_an_answer_that_says_how_long_it_may_be_kept_is_believed() -> None:
    async def rates(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"Cache-Control", b"public, max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    app = with_headers(rates, load_settings(app_env="test"), pages_folder=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        assert _one(await client.get("/api/exchange-rates"), "cache-control") == "public, max-age=60"


async def test_a_changed_page_gets_other_hashes(folder: Path) -> None:
    settings = load_settings(app_env="test")
    async with _site(folder, settings) as before:
        old = _one(await before.get("/"), _CSP)
    (folder / "index.html").write_text(PAGE.replace("start(1)", "start(3)"))
    async with _site(folder, settings) as after:
        new = _one(await after.get("/"), _CSP)
    assert _source("start(3);\n") in new
    assert _source("start(3);\n") not in old


async def test_production_is_found_over_tls_only_and_frames_the_provider_only(folder: Path) -> None:
    settings = load_settings(**PRODUCTION)
    async with _site(folder, settings) as client:
        answer = await client.get("/")
    assert _one(answer, "strict-transport-security") == "max-age=63072000; includeSubDomains"
    assert _policy(answer)["frame-src"] == "https://onramp.money"
    assert _policy(answer)["connect-src"] == "'self' wss://wallet.mycompany.io"
    assert 'camera=(self "https://onramp.money")' in _one(answer, "permissions-policy")
    assert 'clipboard-write=(self "https://onramp.money")' in _one(answer, "permissions-policy")


@pytest.mark.parametrize(
    ("method", "path", "kept"),
    [
        ("GET", "/assets/root-DQYAB-Ig.js", "public, max-age=31536000, immutable"),
        ("GET", "/assets/x.js", "no-cache"),  # another release may have different content there
        ("GET", "/", "no-cache"),
        ("GET", "/login/", "no-cache"),
        ("GET", "/favicon.svg", "no-cache"),
        ("GET", "/home/", "no-store"),
        ("GET", "/api/health/ready", "no-store"),
        ("GET", "/assets/gone-DQYAB-Ig.js", None),  # an older instance may not have it yet
        ("POST", "/assets/root-DQYAB-Ig.js", None),
        ("GET", "/broken", None),
    ],
)
async def test_only_what_is_named_after_its_content_is_kept(
    site: httpx.AsyncClient, method: str, path: str, kept: str | None
) -> None:
    answer = await site.request(method, path)
    assert answer.headers.get_list("cache-control") == ([kept] if kept else [])


async def test_a_file_that_is_asked_for_anew_is_not_sent_anew(site: httpx.AsyncClient) -> None:
    first = await site.get("/favicon.svg")
    again = await site.get("/favicon.svg", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, _one(again, "cache-control")) == (304, b"", "no-cache")


def test_a_script_in_a_comment_or_in_a_text_is_not_allowed() -> None:
    html = "<!-- <script>one()</script> --><textarea title='<script>two()</script>'></textarea>"
    assert "sha256" not in _directives(page_policy(html, load_settings(app_env="test")))["script-src"]


def test_a_folder_without_built_pages_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no built pages"):
        with_headers(Starlette(), load_settings(app_env="test"), pages_folder=tmp_path)


async def test_our_pages_may_call_the_api_from_their_origin_and_nobody_else(site: httpx.AsyncClient) -> None:
    for origin, allowed in (
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://evil.example", None),
        ("http://localhost:3000.evil.example", None),
        ("null", None),
    ):
        answer = await site.get("/api/health/live", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed
