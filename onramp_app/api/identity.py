"""Who calls: the person behind a token or cookie, the network address, and the page's origin."""

import ipaddress
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden, Unauthenticated
from onramp_app.domain.views import Viewer
from onramp_app.services.cookies import read_cookie, session_cookie_name
from onramp_app.services.sessions import Client, resolve_bearer, resolve_cookie_header

_FIRST_REQUESTS = 20
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_log = structlog.get_logger(__name__)
_bearer = HTTPBearer(auto_error=False, description="The access token of register, login or refresh.")
_cookie = APIKeyCookie(
    name="session",
    auto_error=False,
    description="The browser's, `__Host-session` in production. Unsafe methods need a matching `Origin`.",
)


class _ProxyCount:
    """Whether the first requests that proxies passed on came through more of them than are counted.

    Then all people have the address of a proxy, and with it one network's limits. One caller can write what
    they like there, so it takes half of the first requests; and it is said once.
    """

    def __init__(self) -> None:
        self._requests = 0
        self._longer = 0

    def notice(self, entries: int, hops: int) -> None:
        """Take note of how many addresses one request came with."""
        if self._requests == _FIRST_REQUESTS:
            return
        self._requests += 1
        self._longer += entries > hops
        if entries > hops and self._longer == _FIRST_REQUESTS // 2:
            _log.warning(
                "requests come through more proxies than TRUSTED_PROXY_HOPS counts: many people may share one"
                " address and its limits (or callers write X-Forwarded-For themselves)",
                counted=hops,
                entries=entries,
            )


_proxies = _ProxyCount()


def cookie_header_of(request: HTTPConnection) -> str:
    """Return all cookies as one header; HTTP/2 may send each by itself (RFC 9113 section 8.2.3)."""
    return "; ".join(request.headers.getlist("cookie"))


def client_of(request: HTTPConnection) -> Client:
    """Return what asks. Its address is the one that the outermost trusted proxy saw.

    Each proxy appends the address it saw to X-Forwarded-For, so with n trusted proxies the nth entry from
    the right is true and everything to its left is whatever the caller wrote.
    """
    address = request.client.host if request.client else ""
    hops = get_settings().trusted_proxy_hops
    if forwarded := request.headers.getlist("x-forwarded-for"):
        seen = ",".join(forwarded).split(",")
        _proxies.notice(len(seen), hops)
        candidate = seen[-hops].strip() if 0 < hops <= len(seen) else ""
        with suppress(ValueError):
            address = str(ipaddress.ip_address(candidate))
    return Client(
        address=address,
        user_agent=request.headers.get("user-agent", ""),
        cookie_header=cookie_header_of(request),
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
    cookie_header = cookie_header_of(request)
    if read_cookie(cookie_header, session_cookie_name()):
        if request.method not in _SAFE_METHODS:
            refuse_other_sites(request, origin_required=True)
        if viewer := await resolve_cookie_header(cookie_header, by_person=True):
            return viewer
    raise Unauthenticated("Sign in to continue.")


CurrentViewer = Annotated[Viewer, Depends(current_viewer)]
