"""Builds the HTTP API, and puts it in front of the pages."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Receive, Scope, Send

from onramp_app.api import (
    auth,
    auth_forms,
    exchange_rates,
    health,
    kyc,
    options,
    quotes,
    top_ups,
    wallet,
)
from onramp_app.api.factors import routes as factors
from onramp_app.api.frame.examples import add_examples
from onramp_app.api.frame.headers import documentation_policy, is_api_path
from onramp_app.api.frame.problems import Problem, add_error_handlers, error_responses
from onramp_app.api.frame.requests import BodyLimit, RequestContext
from onramp_app.api.mailed import links, outbox
from onramp_app.api.privacy import routes as privacy
from onramp_app.api.programs import debits as program_debits
from onramp_app.api.programs import links as program_links
from onramp_app.api.programs import opening as link_opening
from onramp_app.api.programs import users as program_users
from onramp_app.api.programs import webhooks as program_webhooks
from onramp_app.api.webhook import describe, webhook_before
from onramp_app.config import get_settings
from onramp_app.domain.errors import RequestTooSlow

_DOCS_FILES = "/api/docs/files"
_DESCRIPTION = """
Amounts are decimal strings, times are RFC 3339 in UTC, ids are opaque strings. Every error is an
`application/problem+json` document (RFC 9457) whose `code` is stable.
"""


def create_api(name: str) -> ASGIApp:
    """Return the API, ready to serve everything under `/api`, and `/metrics`.

    Args:
        name: the application's name, for the title of the documentation.
    """
    # The documentation page of FastAPI loads its files from a CDN; FastAPIOffline brings them along.
    api: FastAPI = FastAPIOffline(
        title=f"{name} API",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        static_url=_DOCS_FILES,
        redirect_slashes=False,  # The redirect would go to the host that the request names, without TLS.
    )
    _add_documentation(api)
    add_error_handlers(api)
    api.include_router(health.router)
    api.include_router(health.metrics_router)
    api.include_router(auth.router)
    api.include_router(links.router)
    api.include_router(auth_forms.router)
    api.include_router(link_opening.router)
    api.include_router(factors.router)
    api.include_router(privacy.router)
    api.include_router(options.router)
    api.include_router(quotes.router)
    api.include_router(exchange_rates.router)
    api.include_router(top_ups.router)
    api.include_router(wallet.router)
    api.include_router(kyc.router)
    api.include_router(program_users.router)
    api.include_router(program_debits.router)
    api.include_router(program_links.router)
    api.include_router(program_webhooks.router)
    if not get_settings().is_production:
        api.include_router(outbox.router)
    _describe_problems(api)
    return webhook_before(RequestContext(BodyLimit(api)))


def _add_documentation(api: FastAPI) -> None:
    page = get_swagger_ui_html(
        openapi_url=api.openapi_url or "",
        title=api.title,
        swagger_js_url=f"{_DOCS_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_DOCS_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_DOCS_FILES}/favicon.png",
    )
    page.headers["Content-Security-Policy"] = documentation_policy(bytes(page.body).decode())

    @api.get("/api/docs", include_in_schema=False)
    async def _documentation() -> Response:
        return page


def _describe_problems(api: FastAPI) -> None:
    build = api.openapi

    def openapi() -> dict[str, object]:
        if not api.openapi_schema:
            schema = build()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            document = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(document.pop("$defs"))
            schemas["Problem"] = document
            describe(schema)
            _describe_slow_bodies(schema)
            add_examples(schema)
        return api.openapi_schema or {}

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this way of extending the schema


def _describe_slow_bodies(schema: dict[str, Any]) -> None:
    """Add 408 wherever 413 is described: the same reader of the body also limits the time."""
    (slow,) = error_responses(RequestTooSlow).items()
    for operations in schema["paths"].values():
        for operation in operations.values():
            if "413" in operation["responses"]:
                operation["responses"].setdefault(str(slow[0]), slow[1])


def before_pages(api: ASGIApp) -> Callable[[ASGIApp], ASGIApp]:
    """Return a transformer that sends requests for the API to `api`, and all others to the pages."""

    def transform(pages: ASGIApp) -> ASGIApp:
        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            is_api = scope["type"] == "http" and is_api_path(scope["path"])
            await (api if is_api else pages)(scope, receive, send)

        return dispatch

    return transform
