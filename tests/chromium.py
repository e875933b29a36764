"""The Chromium that tests open pages in."""

import shutil

# The headless shell comes first: drawing a browser window costs more than most pages do.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str | None:
    """Return the path of the installed Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)
