"""`/api/health`: `live` (the process alone), `ready` (this instance serves), `status` (the system).

`/metrics`: what Prometheus reads, guarded by `METRICS_TOKEN`. A worker answers the same on a port of its own.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from onramp_app.api.frame.problems import error_responses
from onramp_app.domain.errors import NotFound, Unauthenticated
from onramp_app.running.health import readiness, status
from onramp_app.running.metrics import CONTENT_TYPE, check_token, exposition
from onramp_app.running.parts import CheckedPart, health_document

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
    return Health.model_validate(health_document(parts))


@metrics_router.get(
    "/metrics", response_class=PlainTextResponse, responses=error_responses(Unauthenticated, NotFound)
)
async def metrics(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_token)]) -> Response:
    """Return what this process counts, and gauges of the whole system. Without a configured token: 404."""
    check_token(given.credentials if given else None)
    return Response(await exposition(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})
