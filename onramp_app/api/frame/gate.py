"""Guards the pages of a production build: a private page opens only with a living session.

The built pages hold nothing private. The gate spares people a page that redirects as soon as it is shown.
"""

from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.accounts import sessions
from onramp_app.api.frame.identity import cookie_header_of
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.places import is_private
from onramp_app.texts import language_of_path, path_in


def before_private_pages(pages: ASGIApp) -> ASGIApp:
    """Wrap the pages. Only private documents cost a query; everything else passes."""

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await pages(scope, receive, send)
            return
        is_document = scope["method"] in ("GET", "HEAD")
        if is_document and is_private(scope["path"]) and not await _is_signed_in(scope):
            await RedirectResponse(_login_address(scope), status_code=303)(scope, receive, send)
            return
        await pages(scope, receive, _within_this_site(send))

    return gate


def _within_this_site(send: Send) -> Send:
    """Return a `send` whose redirects name a path and no host.

    The file server redirects `/login` to `/login/` with the scheme and the host as it sees them: behind a
    proxy that ends TLS these are `http` and whatever the request says.
    """

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, _place(value) if name == b"location" else value)
                for name, value in message.get("headers", ())
            ]
            message = {**message, "headers": headers}
        await send(message)

    return send_on


def _place(location: bytes) -> bytes:
    url = urlsplit(location.decode("latin-1"))
    # Two leading slashes would name a host again.
    return f"/{url.path.lstrip('/')}{f'?{url.query}' if url.query else ''}".encode("latin-1")


async def _is_signed_in(scope: Scope) -> bool:
    cookie_header = cookie_header_of(HTTPConnection(scope))
    try:
        # A person opens the page, so this keeps the session alive.
        return await sessions.resolve_cookie_header(cookie_header, by_person=True) is not None
    except DatabaseUnavailable:
        return True  # The page itself says what is away.


def _login_address(scope: Scope) -> str:
    path = scope["path"].rstrip("/")
    query = scope["query_string"].decode("latin-1")
    login = path_in(language_of_path(path)[0], "/login")
    return f"{login}?next=" + quote(f"{path}?{query}" if query else path, safe="")
