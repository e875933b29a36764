"""The proxies of `deploy/`: what their configuration must contain, and how they serve two instances."""

import asyncio
import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from onramp_app.local.pages import Made
from tests.built_pages import PAGE, written
from tests.fleet.proxies import DEPLOY, proxied
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.served import answers, served
from tests.sockets import TabSocket

NEEDED = {
    "nginx.conf": (
        r"proxy_set_header Upgrade +\$http_upgrade;",
        r"proxy_set_header X-Forwarded-For +\$remote_addr;",
        r"proxy_set_header X-Forwarded-Proto +\$scheme;",
        r"location /assets/ \{\s+proxy_next_upstream [a-z ]*http_404;",
        r"proxy_next_upstream error timeout;",
        r"location = /metrics +\{ return 404; \}",
        r"limit_conn wallet_addresses \d+;",
        r"client_header_timeout 10s;\s+client_body_timeout 10s;",
    ),
    "Caddyfile": (
        r"health_uri /api/health/ready\n",
        r"@inside path /metrics [^{]*handle @inside \{\s+respond 404",
        r"(?s)handle /assets/\* \{.*?@gone status 404",
        r"lb_try_duration ",
        r"read_header 10s\n",
    ),
}


@pytest.mark.parametrize("name", NEEDED)
def test_a_proxy_passes_on_what_the_application_needs(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert [form for form in NEEDED[name] if not re.search(form, text)] == []
    plain = re.sub(r"#.*", "", text)
    assert plain.count("{") == plain.count("}")
    # A request that one instance may have started to process is never sent to another.
    assert not re.search(r"non_idempotent|lb_retry_match|http_50", plain)


@pytest.mark.full
@pytest.mark.parametrize("name", ["nginx", "caddy"])
async def test_two_instances_behind_a_proxy_are_one(name: str, database: str, tmp_path: Path) -> None:
    files = [{"assets/old-aaaaaaaa.js": "old"}, {"assets/new-bbbbbbbb.js": "new"}]
    builds = [
        written(tmp_path / str(n), Made(str(n) * 64, {}), {"404.html": PAGE, **files[n]}) for n in range(2)
    ]
    redis = RedisServer()
    redis.start()
    try:
        with ExitStack() as stack:
            urls = [
                stack.enter_context(
                    served(
                        database,
                        REDIS_URL=redis.url,
                        REFLEX_WEB_WORKDIR=str(build.place),
                        __REFLEX_MOUNT_FRONTEND_COMPILED_APP="true",
                    )
                )
                for build in builds
            ]
            with proxied(name, tmp_path / "both", urls) as url:
                await _serves(url, origins=urls)
            # One of the two is gone: nothing listens on its port.
            gone = f"http://127.0.0.1:{free_port()}"
            for number, left in enumerate(([urls[0], gone], [gone, urls[1]])):
                with proxied(name, tmp_path / f"one{number}", left) as url:
                    for _ in range(6):
                        assert await asyncio.to_thread(answers, f"{url}/api/health/live")
    finally:
        redis.kill()


@pytest.mark.full
@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_without_an_instance_a_proxy_says_when_to_come_back(name: str, tmp_path: Path) -> None:
    nobody = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    with proxied(name, tmp_path / name, nobody, is_served=False) as url:
        for method, path, kind in (
            ("POST", "/api/top-ups", "application/problem+json"),
            ("GET", "/home", "text/html"),
        ):
            answer = httpx.request(method, f"{url}{path}", timeout=20)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), answer.text
            assert answer.headers["Content-Type"].startswith(kind)
            assert answer.headers["Cache-Control"] == "no-store"
            if path.startswith("/api/"):
                assert answer.json()["code"] == "unavailable"
            else:
                assert "back in a moment" in answer.text
        # A request that the proxy refuses for another reason does not get the outage page.
        assert httpx.get(f"{url}/metrics").status_code == 404


async def _serves(url: str, *, origins: list[str]) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(4):
            for file in ("old-aaaaaaaa.js", "new-bbbbbbbb.js"):
                assert (await client.get(f"/assets/{file}")).text == file[:3]
        assert (await client.get("/assets/none-cccccccc.js")).status_code == 404
        for inside in ("/metrics", "/api/health/status"):
            assert (await client.get(inside)).status_code == 404
        account = {"email": "asha@wallet.example", "password": "correct horse battery staple"}
        token = (await client.post("/api/auth/register", json=account)).json()["access_token"]
        for _ in range(6):
            me = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
            assert me.status_code == 200
    # Each instance accepts only pages of its own origin, which shows which instance was reached.
    for origin in origins:
        assert await _is_reached(url, origin)


async def _is_reached(url: str, origin: str) -> bool:
    # Caddy picks at random between instances with equally many connections: 20 misses are one in a million.
    for _ in range(20):
        if await _opens(url, origin):
            return True
    return False


async def _opens(url: str, origin: str) -> bool:
    try:
        tab = await TabSocket.open(url, origin=origin)
    except InvalidStatus:
        return False
    await tab.close()
    return True
