"""Plain forms of our pages: reading one, and answering with a redirect and cookies."""

from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from onramp_app.config import get_settings

MAX_FIELDS = 20


def described_form(*names: str) -> dict[str, Any]:
    """Return the OpenAPI description of a form with these fields."""
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    return {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a URL-encoded body that are not empty; none for any other body."""
    try:
        pairs = parse_qsl((await request.body()).decode(), max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        return {}
    return dict(pairs)


def go_on_at(request: Request, path: str) -> RedirectResponse:
    """Return the answer that leads the browser on to a path of our pages."""
    # In development pages and API are different origins, so the address needs one. The cookie belongs to the
    # host that the person typed, localhost or 127.0.0.1.
    came_from, settings = request.headers.get("origin", "").lower(), get_settings()
    origin = came_from if came_from in settings.ui_origins else settings.public_url or ""
    return RedirectResponse(origin + path, status_code=303, headers={"Cache-Control": "no-store"})


def set_cookie(response: Response, name: str, value: str, *, max_age_seconds: int) -> None:
    """Have the browser keep a cookie that no script reads and that other sites' forms do not bring along."""
    response.set_cookie(
        name,
        value,
        max_age=max_age_seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=get_settings().is_production,
    )
