"""`POST /api/link-sessions`: the button on a link's page, accepted only from our own pages."""

import httpx
import pytest
from limits import RateLimitItemPerHour

from onramp_app.config import AppEnv, get_settings
from onramp_app.links import sessions
from onramp_app.throttle import throttle
from tests.links.shop import Shop, opened, payer_of, token_of

ORIGIN = {"Origin": "http://localhost:8000"}


async def press(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    typed = {"token": token, "here": f"/link/{token}"}
    return await client.post("/api/link-sessions", data=typed, headers=ORIGIN | headers)


async def test_the_button_opens_the_link_and_leads_back_to_its_page(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    link = await shop.link()
    answer = await press(client, token_of(link))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/link/{token_of(link)}")
    assert answer.headers["cache-control"] == "no-store"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "link"
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", "max-age=43200"} <= attributes
    cookie = f"link={rest.partition(';')[0]}"
    assert (await payer_of(link, cookie)).terms.link_id == link["id"]
    again = await press(client, token_of(link), Cookie=cookie)
    assert "set-cookie" not in again.headers, "the browser has one that works"
    assert shop.wallet.count("link_sessions") == 1


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:8000.evil"}],
)
async def test_no_other_site_opens_a_link(
    shop: Shop, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await press(client, token_of(await shop.link()), **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    without = await client.post("/api/link-sessions", data={"token": token_of(await shop.link())})
    assert without.status_code == 403
    assert shop.wallet.count("link_sessions") == 0


async def test_what_merely_fetches_the_address_opens_nothing(shop: Shop, client: httpx.AsyncClient) -> None:
    link = await shop.link()
    for method in ("GET", "HEAD", "PUT"):
        answer = await client.request(method, f"/api/link-sessions?token={token_of(link)}", headers=ORIGIN)
        assert answer.status_code == 405
    assert shop.wallet.count("link_sessions") == 0


async def test_a_link_that_does_not_work_sets_no_cookie(shop: Shop, client: httpx.AsyncClient) -> None:
    expired, revoked = await shop.link(), await shop.link()
    shop.age(expired)
    await shop.ask("DELETE", f"/{revoked['id']}")
    for token in (token_of(expired), token_of(revoked), "x", "", "../../login", "//evil.example"):
        answer = await press(client, token)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/link/")
        assert "evil" not in answer.headers["location"]
        assert "set-cookie" not in answer.headers
    assert shop.wallet.count("link_sessions") == 0


async def test_in_production_the_cookie_is_bound_to_the_host(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await shop.link()
    settings = get_settings().model_copy(
        update={"app_env": AppEnv.PRODUCTION, "public_url": "https://wallet.bank.com"}
    )
    for module in ("api.frame.identity", "api.frame.forms", "accounts.cookies"):
        monkeypatch.setattr(f"onramp_app.{module}.get_settings", lambda: settings)
    answer = await press(client, token_of(link), Origin="https://wallet.bank.com")
    assert answer.headers["set-cookie"].startswith("__Host-link=")
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_a_link_keeps_its_newest_browsers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    link = await shop.link()
    first, _, last = [await opened(link) for _ in range(3)]
    assert shop.wallet.count("link_sessions") == 2
    assert await sessions.resolve(first, link["id"]) is None
    assert await sessions.resolve(last, link["id"]) is not None


async def test_a_link_is_opened_so_often_an_hour(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "OPEN_LINK", (RateLimitItemPerHour(2, namespace="twice"),))
    token, other = token_of(await shop.link()), token_of(await shop.link())
    assert [(await press(client, token)).status_code for _ in range(3)] == [303, 303, 429]
    assert (await press(client, other)).status_code == 303
