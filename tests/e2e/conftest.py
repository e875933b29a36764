"""A production build of the application on a real database, and a real Chromium that opens it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.e2e.site import PROJECT, WEB_FOLDER, OpenPage, Site, tell_violations

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    skip = pytest.mark.skip(reason="no Chromium on the PATH")
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        # CI sets REQUIRE_BROWSER: there, a missing browser is a failure and not a skipped test.
        if _chromium() is None and not os.environ.get("REQUIRE_BROWSER"):
            item.add_marker(skip)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def site_database(postgres_server: str) -> str:
    """The address of an empty database; the application migrates it at its start."""
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE site")
    return f"{postgres_server}/site"


@pytest.fixture(scope="session")
def site(site_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Build the pages, then serve pages and API on one port, as production does."""
    port = _free_port()
    scripts = Path(sys.executable).parent
    log = tmp_path_factory.mktemp("site") / "server.log"
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "APP_ENV": "test",
        "DATABASE_URL": site_database,
        "PUBLIC_URL": f"http://localhost:{port}",
        "SECRET_KEY": "k" * 48,
        "LOG_FORMAT": "json",
        "REFLEX_WEB_WORKDIR": WEB_FOLDER,
        "REFLEX_FRONTEND_PORT": str(port),
        "REFLEX_BACKEND_PORT": str(port),
    }
    export = [scripts / "reflex", "export", "--frontend-only", "--no-zip"]
    built = subprocess.run(  # noqa: PLW1510 - the next line says why it failed
        export, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    environment |= {
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    }
    granian = [
        scripts / "granian",
        "--interface",
        "asgi",
        "--factory",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("w") as output:
        server = subprocess.Popen(
            [*granian, "onramp_app.onramp_app:app"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_until_ready(f"http://localhost:{port}", server, log)
            yield Site(f"http://localhost:{port}", site_database)
        finally:
            server.terminate()
            server.wait(20)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-4000:]
        try:
            if httpx.get(f"{url}/api/health/ready", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the application did not become ready:\n" + log.read_text()[-4000:])


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_chromium(), args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def open_page(site: Site, chromium: Browser) -> AsyncIterator[OpenPage]:
    """Return a function that opens a page in a browser of its own: `await open_page("/login", width=360)`.

    Scripts that fail, answers of 500 and above, and whatever the content policy refuses fail the test that
    opened the page.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    async def open_(path: str, *, width: int = 1280, theme: str = "light", **options: object) -> Page:
        context = await chromium.new_context(
            base_url=site.url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        await tell_violations(context, faults)
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status >= 500 else None)
        await page.goto(path)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert faults == []
