"""The routes about all that is held about a person. Both take a proof of the last 15 minutes."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from onramp_app.api.frame.identity import CurrentViewer, client_of
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import forbid_caching
from onramp_app.domain.errors import (
    AccountNotEmpty,
    DatabaseUnavailable,
    Forbidden,
    RateLimited,
    RecentSignInRequired,
    Unauthenticated,
)
from onramp_app.privacy import closing
from onramp_app.privacy import export as exporting
from onramp_app.top_ups.errors import AccountFrozen

router = APIRouter(prefix="/api/auth", tags=["account"], dependencies=[Depends(forbid_caching)])

_COMMON = (Unauthenticated, Forbidden, RecentSignInRequired, RateLimited, DatabaseUnavailable)


@router.get(
    "/me/export",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "One document"},
        **error_responses(*_COMMON),
    },
)
async def export(request: Request, viewer: CurrentViewer) -> StreamingResponse:
    """Return all that is held about the caller, as a file. Nothing that proves a sign-in is in it."""
    pieces = exporting.export(viewer, client=client_of(request))
    first = await anext(pieces)  # Read before the answer begins, so that a refusal can still be sent.

    async def document() -> AsyncIterator[str]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(
        document(),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "no-store"},
    )


@router.delete("/me", status_code=204, responses=error_responses(AccountNotEmpty, AccountFrozen, *_COMMON))
async def close_account(request: Request, viewer: CurrentViewer) -> None:
    """Close the account of the caller for good, when it is empty and nothing about it is open.

    Sessions, second factors, links and waiting mails end; name and address are removed. The books stay.
    """
    await closing.close(viewer, client=client_of(request))
