"""Who calls: the person behind a token or cookie, the network address, and the page's origin."""

import ipaddress
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden, Unauthenticated
from onramp_app.domain.views import Viewer
from onramp_app.services.cookies import read_cookie, session_cookie_name
from onramp_app.services.sessions import Client, resolve_bearer, resolve_cookie_header

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="The access token of register, login or refresh.")
_cookie = APIKeyCookie(
    name="session",
    auto_error=False,
    description="The browser's, `__Host-session` in production. Unsafe methods need a matching `Origin`.",
)


def client_of(request: HTTPConnection) -> Client:
    """Return what asks. Its address is the one that the outermost trusted proxy saw.

    Each proxy appends the address it saw to X-Forwarded-For, so with n trusted proxies the nth entry from
    the right is true and everything to its left is whatever the caller wrote.
    """
    address = request.client.host if request.client else ""
    if hops := get_settings().trusted_proxy_hops:
        seen = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        candidate = seen[-hops].strip() if len(seen) >= hops else ""
        with suppress(ValueError):
            address = str(ipaddress.ip_address(candidate))
    return Client(
        address=address,
        user_agent=request.headers.get("user-agent", ""),
        cookie_header=request.headers.get("cookie", ""),
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, parts.hostname or "", port
    except ValueError:
        return "", "", None


def is_from_our_pages(request: Request) -> bool:
    """Say whether the `Origin` is that of our pages: of `PUBLIC_URL`, or without it this server's own.

    Exact comparison of scheme, host and port (RFC 6454 section 5). `null`, as frames without an origin
    send it, never matches.
    """
    ours = get_settings().public_url or str(request.base_url)
    theirs = request.headers.get("origin", "")
    return _origin(theirs) == _origin(ours) and bool(_origin(theirs)[1])


def refuse_other_sites(request: Request, *, origin_required: bool) -> None:
    """Refuse a request that another site made a browser send (OWASP: cross-site request forgery).

    Args:
        request: the request.
        origin_required: whether one without an `Origin` is refused too. Browsers send it with every
            unsafe method, so without a cookie its absence means a program.

    Raises:
        Forbidden: the `Origin` is missing or not that of our pages.
    """
    if not origin_required and "origin" not in request.headers:
        return
    if not is_from_our_pages(request):
        raise Forbidden("This request did not come from our pages.")


async def current_viewer(
    request: Request,
    authorization: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    _described: Annotated[str | None, Security(_cookie)],
) -> Viewer:
    """Return the person behind the access token or, without one, behind the browser's cookie.

    Raises:
        Unauthenticated: there is neither, or it is no longer valid.
        Forbidden: a cookie came with an unsafe method and without our pages' `Origin`.
    """
    if authorization is not None:
        return await resolve_bearer(authorization.credentials)
    cookie_header = request.headers.get("cookie", "")
    if read_cookie(cookie_header, session_cookie_name()):
        if request.method not in _SAFE_METHODS:
            refuse_other_sites(request, origin_required=True)
        if viewer := await resolve_cookie_header(cookie_header, by_person=True):
            return viewer
    raise Unauthenticated("Sign in to continue.")


CurrentViewer = Annotated[Viewer, Depends(current_viewer)]
