"""Stands before the pages of a production build: a private page opens only for a living session.

The built pages hold nothing private. The gate saves people the sight of a page that then turns away.
"""

from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.paths import is_private
from onramp_app.services import sessions


def before_private_pages(pages: ASGIApp) -> ASGIApp:
    """Wrap the pages; everything but a private document passes without a query."""

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        is_document = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if is_document and is_private(scope["path"]) and not await _is_signed_in(scope):
            await RedirectResponse(_login_address(scope), status_code=303)(scope, receive, send)
            return
        await pages(scope, receive, send)

    return gate


async def _is_signed_in(scope: Scope) -> bool:
    cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    try:
        # Opening a page is something that a person does.
        return await sessions.resolve_cookie_header("; ".join(cookies), by_person=True) is not None
    except DatabaseUnavailable:
        return True  # The page itself says calmly what is wrong.


def _login_address(scope: Scope) -> str:
    path = scope["path"].rstrip("/")
    query = scope["query_string"].decode("latin-1")
    return "/login?next=" + quote(f"{path}?{query}" if query else path, safe="")
