"""Who sends a request: the person behind a token or cookie, the client, and the origin of the page."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from onramp_app.accounts.cookies import read_cookie, session_cookie_name
from onramp_app.accounts.program_sessions import resolve_bearer
from onramp_app.accounts.sessions import Client, resolve_cookie_header
from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden, Unauthenticated
from onramp_app.domain.shares import ask_as_person
from onramp_app.texts import speak
from onramp_app.throttle.callers import address_of

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="The access token of register, login or refresh.")
_cookie = APIKeyCookie(
    name="session",
    auto_error=False,
    description="The browser's, `__Host-session` in production. Unsafe methods need a matching `Origin`.",
)


def cookie_header_of(request: HTTPConnection) -> str:
    """Return all cookies as one header; HTTP/2 may send them apart (RFC 9113 section 8.2.3)."""
    return "; ".join(request.headers.getlist("cookie"))


def client_of(request: HTTPConnection) -> Client:
    """Return the client that sends the request: its address, User-Agent and cookies."""
    return Client(
        address=address_of(request.scope),
        user_agent=request.headers.get("user-agent", ""),
        cookie_header=cookie_header_of(request),
    )


def is_from_our_pages(request: Request) -> bool:
    """Return whether the `Origin` is that of our pages: by `PUBLIC_URL` or, without one, that of this server.

    Scheme, host and port are compared exactly (RFC 6454 section 5); browsers write them in one way only. The
    `null` of frames without an origin never matches.
    """
    settings = get_settings()
    our_origins = settings.ui_origins if settings.public_url else (str(request.base_url).rstrip("/"),)
    return request.headers.get("origin", "").lower() in our_origins


def refuse_other_sites(request: Request, *, origin_required: bool) -> None:
    """Refuse a request that another site made the browser send (OWASP: cross-site request forgery).

    Args:
        request: the request.
        origin_required: whether a request without an `Origin` is refused too. Browsers send the header with
            every unsafe method, so without a cookie its absence means a program.

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
        Unauthenticated: there is neither a token nor a cookie, or the one sent is not valid.
        Forbidden: a cookie came with an unsafe method and without our pages' `Origin`.
    """
    if authorization is not None:
        program = await resolve_bearer(authorization.credentials)
        ask_as_person(program.user_id)
        return program
    cookie_header = cookie_header_of(request)
    if read_cookie(cookie_header, session_cookie_name()):
        if request.method not in _SAFE_METHODS:
            refuse_other_sites(request, origin_required=True)
        if viewer := await resolve_cookie_header(cookie_header, by_person=True):
            ask_as_person(viewer.user_id)
            speak(viewer.language)
            return viewer
    raise Unauthenticated("Sign in to continue.")


async def maybe_viewer(
    request: Request,
    authorization: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Viewer | None:
    """Return the person behind a request to a public route, None for nobody: an old cookie is nobody's.

    Raises:
        Unauthenticated: an access token was sent that is not valid; its program wants to know.
    """
    if authorization is None and not read_cookie(cookie_header_of(request), session_cookie_name()):
        return None
    try:
        return await current_viewer(request, authorization, "")
    except Unauthenticated:
        if authorization is not None:
            raise
        return None


MaybeViewer = Annotated[Viewer | None, Depends(maybe_viewer)]
CurrentViewer = Annotated[Viewer, Depends(current_viewer)]
