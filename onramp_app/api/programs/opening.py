"""`/api/link-sessions`: the button of `/link/[token]`, answered by a redirect with a narrow session."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from onramp_app.accounts.cookies import link_cookie_name
from onramp_app.api.frame.forms import described_form, go_on_at, read_form, set_cookie
from onramp_app.api.frame.identity import cookie_header_of, refuse_other_sites
from onramp_app.api.frame.problems import error_responses
from onramp_app.domain.errors import DatabaseUnavailable, Forbidden, PayloadTooLarge, RateLimited
from onramp_app.domain.places import own_path
from onramp_app.links import sessions
from onramp_app.links.errors import LinkOver
from onramp_app.links.tokens import read_token
from onramp_app.texts import language_of_path, path_in
from onramp_app.throttle import throttle

router = APIRouter(prefix="/api/link-sessions", tags=["browser"], default_response_class=RedirectResponse)


@router.post(
    "",
    status_code=303,
    responses={
        303: {"description": "Back to the page of the link, which shows what came of it"},
        **error_responses(Forbidden, PayloadTooLarge, RateLimited, DatabaseUnavailable),
    },
    openapi_extra=described_form("token", "here"),
)
async def open_link(request: Request) -> Response:
    """Take the button of an add-money link: 303 to its page, with the cookie of a narrow session.

    Our own pages send it, and nothing else: another site could otherwise have somebody pay for a link that
    they never saw.
    """
    refuse_other_sites(request, origin_required=True)
    typed = await read_form(request)
    token = typed.get("token", "")
    language = language_of_path(own_path(typed.get("here")))[0]
    link_id = read_token(token)
    response = go_on_at(request, path_in(language, f"/link/{token}" if link_id else "/link/unknown"))
    if link_id is None:
        return response
    await throttle.attempt(throttle.OPEN_LINK, link_id)
    try:
        opened = await sessions.open_session(token, cookie_header_of(request))
    except LinkOver:
        return response  # The page says why.
    if opened is not None:
        set_cookie(response, link_cookie_name(), opened.cookie_value, max_age_seconds=opened.max_age_seconds)
    return response
