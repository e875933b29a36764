"""The routes about all that is held about a person. Both take a proof of the last 15 minutes."""

from fastapi import APIRouter, Depends, Request

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
from onramp_app.top_ups.errors import AccountFrozen

router = APIRouter(prefix="/api/auth", tags=["account"], dependencies=[Depends(forbid_caching)])

_COMMON = (Unauthenticated, Forbidden, RecentSignInRequired, RateLimited, DatabaseUnavailable)


@router.delete("/me", status_code=204, responses=error_responses(AccountNotEmpty, AccountFrozen, *_COMMON))
async def close_account(request: Request, viewer: CurrentViewer) -> None:
    """Close the account of the caller for good, when it is empty and nothing about it is open.

    Sessions, second factors, links and waiting mails end; name and address are removed. The books stay.
    """
    await closing.close(viewer, client=client_of(request))
