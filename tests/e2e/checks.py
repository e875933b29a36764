"""Checks for every page: accessibility violations, horizontal scrolling, and covered focus."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

from playwright.async_api import Page, expect

from tests.e2e.site import PROJECT

AXE_VERSION = "4.14.1"
WIDTHS = (360, 768, 1280)
Look = tuple[int, Literal["light", "dark"]]
SOME_LOOKS: tuple[Look, ...] = ((360, "dark"), (1280, "light"))
ALL_LOOKS: tuple[Look, ...] = tuple((width, theme) for width in WIDTHS for theme in ("light", "dark"))  # type: ignore[misc]

# Two frames after a change it is drawn and animations are over: with reduced motion they last a millisecond.
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20))))"


def axe_script() -> str:
    """Return the script of axe, the accessibility checker, installed with the application's own npm."""
    folder = PROJECT / ".pages-tests" / "axe"
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


# The provider's page in the frame runs no axe that could answer, so it is not waited for. Only violations are
# explained and returned, and style sheets are not fetched again: no enabled rule needs them.
_RUN = """
axe.run(document, {iframes: false, resultTypes: ['violations'], preload: {assets: ['media']}})
  .then(report => report.violations)
"""


async def findings(page: Page, axe: str) -> list[str]:
    """Return what is wrong with a page in its current state."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    found = [
        f"{v['id']}: {n['html'][:150]} {n['failureSummary'][:250]}"
        for v in await page.evaluate(_RUN)
        for n in v["nodes"]
    ]
    return found + await scrolls_sideways(page)


async def findings_in(page: Page, axe: str, *, width: int, theme: Literal["light", "dark"]) -> list[str]:
    """Return what is wrong with a page at a width and in a theme, set without reloading it."""
    await page.set_viewport_size({"width": width, "height": 800})
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await expect(page.locator("html")).to_have_class(re.compile(rf"\b{theme}\b"), timeout=30_000)
    await page.evaluate(DRAWN)
    found = await findings(page, axe)
    if found:
        # A page that was caught between two themes is fine a moment later; a real fault stays.
        await page.wait_for_timeout(1000)
        found = await findings(page, axe)
    return [f"{width} {theme}: {one}" for one in found]


async def scrolls_sideways(page: Page) -> list[str]:
    """Return a finding if the page is wider than its window, with the width in excess."""
    pixels = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [f"scrolls sideways by {pixels} px"] if pixels > 0 else []


# Nothing fixed or sticky may cover the focused element (WCAG 2.2, 2.4.11).
_COVERED = """async () => {
  // Of a window that has just changed its size the places are not final before it is drawn.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const inPlace = [...document.querySelectorAll('body *')].filter(
    one => ['fixed', 'sticky'].includes(getComputedStyle(one).position) && one.getClientRects().length);
  const found = [];
  const parts = 'main :is(a, button, input, select, textarea, summary), footer a';
  for (const one of document.querySelectorAll(parts)) {
    one.focus();
    if (document.activeElement !== one) continue;
    const its = one.getBoundingClientRect();
    for (const other of inPlace) {
      if (other.contains(one)) continue;
      const of = other.getBoundingClientRect();
      if (of.left < its.right && of.right > its.left && of.top < its.bottom - 1 && of.bottom > its.top + 1) {
        found.push(`${other.className} covers ${one.outerHTML.slice(0, 120)}`);
      }
    }
  }
  return found;
}"""


async def covered_at_200_percent(page: Page) -> list[str]:
    """Return where a focused element is covered, or the page is too wide, at 1280 by 800 pixels and 200 %."""
    await page.set_viewport_size({"width": 640, "height": 400})
    found: list[str] = await page.evaluate(_COVERED)
    if found:
        # A page that grew while its elements were focused is fine a moment later; a real fault stays.
        await page.wait_for_timeout(1000)
        found = await page.evaluate(_COVERED)
    return found + await scrolls_sideways(page)
