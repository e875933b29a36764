"""`/api/health/live` (the process alone) and `/api/health/ready` (what it depends on)."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from onramp_app.services.health import readiness

router = APIRouter(prefix="/api/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: str


class PartState(BaseModel):
    """One part: `ok` or `failed` with a reason."""

    status: str
    reason: str


class Ready(BaseModel):
    """All parts by name; `status` is `ok` only when each is."""

    status: str
    checks: dict[str, PartState]


@router.get("/live")
async def live() -> Live:
    """Say that the process answers; touches no database."""
    return Live(status="ok")


@router.get("/ready", responses={503: {"model": Ready, "description": "At least one part has failed"}})
async def ready(response: Response) -> Ready:
    """Say whether this instance can serve, part by part."""
    checks = await readiness()
    is_well = all(check.is_well for check in checks)
    if not is_well:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    response.headers["Cache-Control"] = "no-store"
    return Ready(
        status="ok" if is_well else "failed",
        checks={c.name: PartState(status="ok" if c.is_well else "failed", reason=c.detail) for c in checks},
    )
