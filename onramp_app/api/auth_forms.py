"""`/api/auth` for browsers: plain forms, answered by a redirect with the session cookie."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onramp_app.accounts import accounts, devices, sessions
from onramp_app.accounts.cookies import (
    FORM_COOKIE,
    FORM_SECONDS,
    device_cookie_name,
    first_step_cookie_name,
    form_cookie_value,
    read_cookie,
    session_cookie_name,
)
from onramp_app.accounts.sessions import BrowserSession
from onramp_app.api.auth_models import (
    MAX_OTP_LENGTH,
    DisplayName,
    Email,
    NewPassword,
    Password,
)
from onramp_app.api.frame.forms import MAX_FIELDS, described_form, go_on_at, read_form, set_cookie
from onramp_app.api.frame.identity import client_of, cookie_header_of, refuse_other_sites
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import Country, Currency
from onramp_app.domain.errors import (
    ApplicationError,
    DatabaseUnavailable,
    FieldError,
    Forbidden,
    PayloadTooLarge,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.places import HOME, own_path
from onramp_app.factors.errors import OtpRequired, PasskeyRefused, WrongCode
from onramp_app.sign_in import sign_in as sign_in_steps

# Other reasons are said above the form: the page keeps that place once its address names it.
_SAID_BESIDE_FIELDS = ("otp_required", "wrong_code", "email_taken", "weak_password")


class LoginForm(BaseModel):
    """The fields of the sign-in page."""

    model_config = ConfigDict(extra="ignore")

    email: Email
    password: Password
    otp: str = Field(default="", max_length=MAX_OTP_LENGTH, repr=False)


class CodeForm(BaseModel):
    """The field of the second step."""

    model_config = ConfigDict(extra="ignore")

    otp: str = Field(min_length=1, max_length=MAX_OTP_LENGTH, repr=False)


class RegistrationForm(BaseModel):
    """The fields of the registration page; an empty one counts as not given."""

    model_config = ConfigDict(extra="ignore")

    email: Email
    password: NewPassword
    display_name: DisplayName | None = None
    country: Country | None = None
    display_currency: Currency | None = None


router = APIRouter(prefix="/api/auth", tags=["browser"], default_response_class=RedirectResponse)


_SEE_OTHER: dict[int | str, dict[str, Any]] = {
    303: {"description": "On to `next`, or back to the form with `reason`"},
    **error_responses(Forbidden, PayloadTooLarge),
}


def _next_path(request: Request, typed: Mapping[str, str]) -> str:
    """Return the path that the person wanted: from the form or, where it has none, from its address.

    The hidden field of the form is filled once the page is connected, and a password manager may be quicker.
    """
    if (wanted := own_path(typed.get("next"))) != HOME:
        return wanted
    try:
        stood_at = urlsplit(request.headers.get("referer", "")[:2048])
        return own_path(dict(parse_qsl(stood_at.query, max_num_fields=MAX_FIELDS)).get("next"))
    except ValueError:
        return HOME


def _signed_in(request: Request, session: BrowserSession, next_path: str) -> Response:
    response = go_on_at(request, next_path)
    set_cookie(response, session_cookie_name(), session.cookie_value, max_age_seconds=session.max_age_seconds)
    set_cookie(
        response,
        device_cookie_name(),
        session.device_cookie_value,
        max_age_seconds=int(devices.LIFE.total_seconds()),
    )
    set_cookie(response, FORM_COOKIE, "", max_age_seconds=0)
    set_cookie(response, first_step_cookie_name(), "", max_age_seconds=0)
    return response


def _refused(request: Request, page: str, error: ApplicationError, typed: Mapping[str, str]) -> Response:
    """Send the browser back to the form. The typed values travel in a cookie, never in the address."""
    next_path = _next_path(request, typed)
    query = {"reason": _reason(page, error)}
    if next_path != HOME:
        query["next"] = next_path
    place = "" if query["reason"] in _SAID_BESIDE_FIELDS else "#said"
    response = go_on_at(request, f"{page}?{urlencode(query)}{place}")
    set_cookie(response, FORM_COOKIE, form_cookie_value(typed), max_age_seconds=FORM_SECONDS)
    return response


def _reason(page: str, error: ApplicationError) -> str:
    if page == "/register" and any(field.field == "password" for field in error.errors):
        return "weak_password"
    own = {WrongCode: "wrong_code", PasskeyRefused: "passkey_refused", Unauthenticated: "first_step_over"}
    return own.get(type(error), error.code)


def _invalid(error: ValidationError) -> ValidationFailed:
    items = error.errors(include_url=False, include_context=False, include_input=False)
    fields = tuple(FieldError(str(item["loc"][0]), item["msg"]) for item in items)
    return ValidationFailed("One or more fields cannot be used.", errors=fields)


@router.post(
    "/session",
    status_code=303,
    responses=_SEE_OTHER,
    openapi_extra=described_form("email", "password", "otp", "passkey", "next"),
)
async def sign_in(request: Request) -> Response:
    """Take the sign-in form: 303 to `next` with the session cookie, or back to `/login` with a reason.

    The reason `otp_required` comes with a cookie that says that the password was right. A form with `otp`
    alone is then the second step. `passkey` is the answer of a passkey, which stands for both steps.
    """
    refuse_other_sites(request, origin_required=False)
    typed, client, known = await read_form(request), client_of(request), None
    try:
        if passkey := typed.get("passkey"):
            session = await sign_in_steps.sign_in_by_passkey(passkey, client, sessions.open_browser)
        else:
            if "email" in typed:
                form = LoginForm.model_validate(typed)
                known, code = await sign_in_steps.check_password(form.email, form.password, client), form.otp
            else:
                code = CodeForm.model_validate(typed).otp
                first_step = read_cookie(client.cookie_header, first_step_cookie_name()) or ""
                known = await sign_in_steps.first_step_of(first_step)
            session = await sign_in_steps.open_known(known, client, sessions.open_browser, code=code)
    except ValidationError as error:
        return _refused(request, "/login", _invalid(error), typed)
    except ApplicationError as error:
        response = _refused(request, "/login", error, typed)
        if known is not None and isinstance(error, OtpRequired | WrongCode):
            set_cookie(
                response,
                first_step_cookie_name(),
                sign_in_steps.first_step_cookie(known),
                max_age_seconds=int(sign_in_steps.FIRST_STEP_LIFE.total_seconds()),
            )
        return response
    return _signed_in(request, session, _next_path(request, typed))


@router.post(
    "/registration",
    status_code=303,
    responses=_SEE_OTHER,
    openapi_extra=described_form("email", "password", "display_name", "country", "display_currency", "next"),
)
async def register(request: Request) -> Response:
    """Take the registration form: 303 to `next` with the session cookie, or back to `/register`."""
    refuse_other_sites(request, origin_required=False)
    typed = await read_form(request)
    try:
        form = RegistrationForm.model_validate(typed)
        session = await accounts.register(
            accounts.Registration(**form.model_dump()), client_of(request), sessions.open_browser
        )
    except ValidationError as error:
        return _refused(request, "/register", _invalid(error), typed)
    except ApplicationError as error:
        return _refused(request, "/register", error, typed)
    return _signed_in(request, session, _next_path(request, typed))


async def _end(request: Request, response: Response) -> Response:
    cookie_header = cookie_header_of(request)
    has_cookie = bool(read_cookie(cookie_header, session_cookie_name()))
    # Checked without the cookie too: a form of another site brings no cookie, but the answer would delete it.
    refuse_other_sites(request, origin_required=has_cookie)
    if has_cookie:
        await sessions.end_cookie_session(cookie_header)
    set_cookie(response, session_cookie_name(), "", max_age_seconds=0)
    return response


@router.post("/session/end", status_code=303, responses=_SEE_OTHER)
async def sign_out(request: Request) -> Response:
    """Take the sign-out form: end the session of the cookie and go to `/login`.

    The browser is signed out in any case. If the session could not be ended, the page says so.
    """
    try:
        return await _end(request, go_on_at(request, "/login?reason=signed_out"))
    except DatabaseUnavailable:
        response = go_on_at(request, "/login?reason=signed_out_here")
        set_cookie(response, session_cookie_name(), "", max_age_seconds=0)
        return response


@router.delete(
    "/session",
    status_code=204,
    response_class=Response,
    responses=error_responses(Forbidden, PayloadTooLarge, DatabaseUnavailable),
)
async def end_session(request: Request) -> Response:
    """End the session of the cookie, and delete the cookie. Succeeds without a cookie too."""
    return await _end(request, Response(status_code=204, headers={"Cache-Control": "no-store"}))
