"""Takes pictures of pages, in both themes and at three widths, for people to look at.

python -m tests.e2e.look http://localhost:3000 /tmp/pictures / /login
With --email and --password it signs in first; --menu opens the person's menu.
"""

import argparse
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.chromium import FLAGS, chromium_path

SIZES = {360: 780, 768: 1024, 1280: 860}


def _sign_in(page: Page, base: str, email: str, password: str) -> None:
    page.goto(f"{base}/login", wait_until="networkidle")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/home" in url)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--email")
    parser.add_argument("--password")
    parser.add_argument("--menu", action="store_true")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        for theme in ("light", "dark"):
            page = browser.new_context(color_scheme=theme, reduced_motion="reduce").new_page()
            if arguments.email:
                _sign_in(page, arguments.base, arguments.email, arguments.password)
            for path in arguments.paths:
                name = path.split("?")[0].strip("/").replace("/", "-") or "start"
                for width, height in SIZES.items():
                    page.set_viewport_size({"width": width, "height": height})
                    page.goto(arguments.base + path, wait_until="networkidle")
                    if arguments.menu:
                        page.get_by_role("button", name="Your menu").click()
                    page.screenshot(path=arguments.folder / f"{name}-{theme}-{width}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
