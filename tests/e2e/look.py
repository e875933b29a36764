"""Takes pictures of pages in both themes at three widths and checks each with axe and for sideways scroll.

python tests/e2e/look.py http://localhost:3000 /tmp/pictures --axe node_modules/axe-core/axe.min.js / /login
With --email and --password it signs in first. Exits 1 when something is found.
"""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, sync_playwright

WIDTHS = {360: 780, 768: 1024, 1280: 860}
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def _findings(page: Page, axe: str | None) -> list[str]:
    found = []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        found.append(f"scrolls sideways by {overflow} px")
    small = page.evaluate(
        """() => [...document.querySelectorAll('button,summary,select,input:not([type=hidden]),a.button')]
        .map(e => [e, e.getBoundingClientRect()])
        .filter(([e, r]) => r.width && (r.height < 44 || r.width < 44))
        .map(([e, r]) => `${e.outerHTML.slice(0, 60)} is ${r.width.toFixed()}x${r.height.toFixed()}`)"""
    )
    found += [f"small target: {target}" for target in small]
    if axe:
        page.evaluate(axe)
        report = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21aa','wcag22aa','best-practice']})"
        )
        found += [
            f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:240]}"
            for violation in report["violations"]
            for node in violation["nodes"]
        ]
    return found


def _is_error(message: ConsoleMessage) -> bool:
    # The page for unknown addresses is itself answered with 404, which the console reports.
    return message.type == "error" and "404" not in message.text


def _sign_in(page: Page, base: str, email: str, password: str) -> None:
    page.goto(f"{base}/login", wait_until="networkidle")
    page.fill("#email", email)
    page.fill("#password", password)
    page.click("main button[type=submit]")
    page.wait_for_url("**/home*")


def main() -> int:
    """Return 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--email")
    parser.add_argument("--password")
    parser.add_argument("--open-menu", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    axe = arguments.axe.read_text() if arguments.axe else None
    bad = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGS)
        for theme in ("light", "dark"):
            context = browser.new_context(color_scheme=theme, reduced_motion="reduce")
            page = context.new_page()
            errors: list[str] = []
            page.on("console", lambda m, e=errors: e.append(m.text) if _is_error(m) else None)
            page.on("pageerror", lambda x, e=errors: e.append(str(x)))
            if arguments.email:
                _sign_in(page, arguments.base, arguments.email, arguments.password)
            for path in arguments.paths:
                for width, height in WIDTHS.items():
                    page.set_viewport_size({"width": width, "height": height})
                    page.goto(arguments.base + path, wait_until="networkidle")
                    if arguments.open_menu:
                        page.click("summary")
                    found = _findings(page, axe) + errors
                    errors.clear()
                    name = path.split("?")[0].strip("/").replace("/", "-") or "start"
                    page.screenshot(path=arguments.folder / f"{name}-{theme}-{width}.png", full_page=True)
                    for finding in found:
                        sys.stdout.write(f"{path} {theme} {width}: {finding}\n")
                    bad += len(found)
            context.close()
        browser.close()
    sys.stdout.write(f"{bad} findings\n")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
