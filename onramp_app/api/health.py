"""`/api/health`: `live` (the process alone), `ready` (this instance serves), `status` (the system).

`/metrics`: the counters of this process for Prometheus, guarded by `METRICS_TOKEN`.
"""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from onramp_app.api.frame.problems import error_responses
from onramp_app.config import get_settings
from onramp_app.domain.errors import NotFound, Unauthenticated
from onramp_app.running.health import readiness, status
from onramp_app.running.parts import CheckedPart

router = APIRouter(prefix="/api/health", tags=["health"])
metrics_router = APIRouter(tags=["health"])
_token = HTTPBearer(auto_error=False, scheme_name="MetricsToken", description="`METRICS_TOKEN`.")


class Live(BaseModel):
    """The process answers."""

    status: str


class PartState(BaseModel):
    """One part: `ok` or `failed` with a reason."""

    status: str
    reason: str


class Health(BaseModel):
    """All parts by name; `status` is `ok` only when each is."""

    status: str
    checks: dict[str, PartState]


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> Live:
    """Say that the process answers, without touching the database."""
    return Live(status="ok")


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses={503: {"model": Health, "description": "At least one part has failed"}})
async def ready(response: Response) -> Health:
    """Say within two seconds whether this instance can serve, part by part."""
    health = _health(await readiness())
    if health.status != "ok":
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    response.headers["Cache-Control"] = "no-store"
    return health


@router.head("/status", include_in_schema=False)
@router.get("/status")
async def status_of_the_system(response: Response) -> Health:
    """Say within two seconds how each part of the system does. Always 200, so no instance is taken out."""
    response.headers["Cache-Control"] = "no-store"
    return _health(await status())


def _health(parts: list[CheckedPart]) -> Health:
    return Health(
        status="ok" if all(part.is_well for part in parts) else "failed",
        checks={
            part.name: PartState(status="ok" if part.is_well else "failed", reason=part.detail)
            for part in parts
        },
    )


@metrics_router.get(
    "/metrics", response_class=PlainTextResponse, responses=error_responses(Unauthenticated, NotFound)
)
async def metrics(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_token)]) -> Response:
    """Return the counters of this process; each instance has its own. Without a configured token: 404."""
    expected = get_settings().metrics_token
    if expected is None:
        raise NotFound("METRICS_TOKEN is not set, so nothing is told here.")
    wanted, shown = expected.get_secret_value().encode(), given.credentials.encode() if given else b""
    if not hmac.compare_digest(wanted, shown):
        raise Unauthenticated("Send the token of METRICS_TOKEN as a bearer token.")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
