"""HTML for people: the frame around every page, and the answers that carry it."""

from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:;"
    " form-action 'self'; base-uri 'none'"
)


STATUS_WORDS = {
    0: "opened",
    1: "claimed",
    2: "paid",
    10: "paid",
    11: "ordering",
    12: "buying",
    3: "bought",
    13: "bought",
    14: "sending",
    4: "delivered",
    15: "delivered",
    5: "delivered and told",
    16: "delivered and told",
    -1: "timed out",
    -2: "abandoned",
    -3: "name mismatch",
    -4: "amount mismatch",
}  # what people read for the numbers of a purchase


def page(
    title: str, content: str, *, status: int = 200, script: str | None = None, framed: bool = True
) -> HTMLResponse:
    """Return a whole page.

    Args:
        content: HTML that is already escaped.
        script: name of a script beside the style sheet.
        framed: other sites may show the page in a frame.
    """
    tag = f'<script src="/static/{script}" defer></script>' if script else ""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/static/page.css">{tag}</head>'
        f"<body>{content}</body></html>"
    )
    policy = _POLICY if framed else _POLICY + "; frame-ancestors 'none'"
    return HTMLResponse(
        html, status, headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    )


def shortened(address: str) -> str:
    """Return both ends of an address, which is enough to recognise one's own."""
    return address if len(address) <= 16 else f"{address[:8]}…{address[-6:]}"


def static_routes() -> list[Route]:
    """Return the routes of the style sheet and the script."""

    async def style(_request: Request) -> FileResponse:
        return FileResponse(_STATIC / "page.css", media_type="text/css")

    async def script(_request: Request) -> FileResponse:
        return FileResponse(_STATIC / "widget.js", media_type="text/javascript")

    return [Route("/static/page.css", style), Route("/static/widget.js", script)]
