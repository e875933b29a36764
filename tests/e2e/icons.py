"""Renders the icons of the installed app from the logo: python -m tests.e2e.icons

The maskable icons and Apple's fill the whole square, because each device crops them to a shape of its own.
Needs a Chromium.
"""

from playwright.sync_api import sync_playwright

from tests.chromium import FLAGS, chromium_path
from tests.e2e.site import PROJECT

MARK = PROJECT / "assets" / "favicon.svg"
FOLDER = PROJECT / "assets" / "icons"
ROUNDED, SQUARE = 'rx="9"', 'rx="0"'
ICONS = {
    "any-192": ROUNDED,
    "any-512": ROUNDED,
    "maskable-192": SQUARE,
    "maskable-512": SQUARE,
    "touch-180": SQUARE,
}


def main() -> None:
    """Render all icons."""
    mark = MARK.read_text()
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        for name, corners in ICONS.items():
            size = int(name.rpartition("-")[2])
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(
                f"<style>body{{margin:0}}svg{{display:block}}</style>{mark.replace(ROUNDED, corners)}"
            )
            page.screenshot(path=FOLDER / f"{name}.png", omit_background=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
