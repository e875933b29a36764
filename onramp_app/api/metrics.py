"""`/metrics`: the counters of this process for Prometheus, guarded by `METRICS_TOKEN`."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from onramp_app.api.frame.problems import error_responses
from onramp_app.config import get_settings
from onramp_app.domain.errors import NotFound, Unauthenticated

router = APIRouter(tags=["health"])
_token = HTTPBearer(auto_error=False, scheme_name="MetricsToken", description="`METRICS_TOKEN`.")


@router.get(
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
