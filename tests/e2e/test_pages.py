"""Every page in both themes and at three widths: reachable, legible, nothing to scroll sideways."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.e2e.site import PROJECT, OpenPage, Site
from tests.e2e.watched import BUILT_PAGES, PRIVATE, PUBLIC

AXE_VERSION = "4.14.1"
WIDTHS = (360, 768, 1280)


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's script, from npm through the Node that comes with the application."""
    folder = PROJECT / ".web-tests" / "axe"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    package = script.with_name("package.json")
    if not script.exists() or f'"version": "{AXE_VERSION}"' not in package.read_text():
        folder.mkdir(parents=True, exist_ok=True)
        scripts = Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(
            [scripts / "npm", "install", "--no-save", "--prefix", folder, f"axe-core@{AXE_VERSION}"],
            check=True,
            env=environment,
            capture_output=True,
        )
    return script.read_text()


async def _findings(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe)
    report = await page.evaluate("axe.run(document)")
    found = [f"{v['id']}: {n['html'][:150]}" for v in report["violations"] for n in v["nodes"]]
    sideways = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [*found, *([f"scrolls sideways by {sideways} px"] if sideways > 0 else [])]


async def _all_findings(page: Page, axe: str, paths: tuple[str, ...]) -> list[str]:
    found = []
    for path in paths:
        await page.goto(path)
        await page.wait_for_load_state("networkidle")
        found += [f"{path}: {finding}" for finding in await _findings(page, axe)]
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_is_accessible_and_fits(
    open_page: OpenPage, axe: str, *, width: int, theme: str
) -> None:
    page = await open_page("/", width=width, theme=theme)
    found = await _all_findings(page, axe, PUBLIC)
    await page.goto("/register")
    await page.get_by_label("E-mail").fill(f"{secrets.token_hex(8)}@a-rather-long-domain-name.mail.example")
    await page.get_by_label("Password", exact=True).fill("quiet harbour lantern 42")
    await page.get_by_label("Name").fill("Wolfeschlegelsteinhausenbergerdorff the Elder of Somewhere")
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url(re.compile(r"/home/?$"))
    found += await _all_findings(page, axe, PRIVATE)
    assert found == []


async def test_no_page_is_forgotten(site: Site) -> None:
    assert site
    built = {f"/{page.stem}" for page in BUILT_PAGES.glob("*.html")}
    assert built - {"/404", "/__spa-fallback"} == {
        path if path != "/" else "/index" for path in PUBLIC[:-1] + PRIVATE
    }


async def test_the_checks_find_what_is_wrong(open_page: OpenPage, axe: str) -> None:
    page = await open_page("/", width=360)
    await page.wait_for_load_state("networkidle")
    await page.evaluate(
        "document.querySelector('main').innerHTML += "
        "'<img src=\"data:,\"><p>wide</p><button></button>'; "
        "document.querySelector('main > p:last-of-type').style.width = '900px'"
    )
    found = await _findings(page, axe)
    assert any(finding.startswith("image-alt") for finding in found)
    assert any(finding.startswith("button-name") for finding in found)
    assert any(finding.startswith("scrolls sideways") for finding in found)
