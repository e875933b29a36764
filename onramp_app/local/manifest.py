"""The web app manifest, which lets browsers offer to install the pages as an app.

There is no service worker. Browsers install an app without one, and one that caches pages would show an
outdated balance.
"""

import json
from typing import Any

from onramp_app.config import Settings

# As in `assets/theme.css`. A manifest has a single colour; the pages themselves set one for each theme.
_PAPER = "#F7F3EA"


def manifest(settings: Settings) -> str:
    """Return the manifest (https://www.w3.org/TR/appmanifest/) as JSON, under the operator's name."""
    content: dict[str, Any] = {
        "id": "/",
        "name": settings.app_name,
        "short_name": settings.app_name,
        "description": "Add money and watch it arrive.",
        "lang": "en",
        "start_url": "/home",
        "scope": "/",
        "display": "standalone",
        "background_color": _PAPER,
        "theme_color": _PAPER,
        "categories": ["finance"],
        "icons": [
            {"src": "/favicon.svg", "type": "image/svg+xml", "sizes": "any"},
            *(
                {
                    "src": f"/icons/{purpose}-{size}.png",
                    "type": "image/png",
                    "sizes": f"{size}x{size}",
                    "purpose": purpose,
                }
                for purpose in ("any", "maskable")
                for size in (192, 512)
            ),
        ],
        "shortcuts": [
            {"name": "Add money", "url": "/add-money"},
            {"name": "Activity", "url": "/activity"},
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1)
