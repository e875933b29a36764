"""The Chromium that tests open pages in."""

import shutil

# The first has no window around its pages, which costs more than most pages do.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str | None:
    """Return where Chromium is, None when there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)
