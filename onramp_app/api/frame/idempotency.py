"""`Idempotency-Key` on a route: the first answer is kept, and a repeated request gets it again."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from onramp_app import idempotency
from onramp_app.api.frame.problems import problem_response
from onramp_app.domain.errors import ApplicationError, RateLimited
from onramp_app.idempotency import Claim, KeptAnswer

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]{1,64}$",
        description="1 to 64 visible ASCII characters. The same key with the same body within 24 hours gets "
        "the first answer again, with `Idempotency-Replayed: true`.",
    ),
]


def _request_hash(body: bytes) -> bytes:
    """Return a hash of a JSON body that ignores spaces and the order of members."""
    try:
        parsed = json.loads(body, parse_float=Decimal)
        # A number is marked, because it is not the text of the same digits. No float is involved.
        canonical = json.dumps(
            parsed, sort_keys=True, separators=(",", ":"), default=lambda number: {"number": str(number)}
        )
        body = canonical.encode()
    except (ValueError, RecursionError):
        pass  # The body will be refused. Until then only the same bytes count as the same request.
    return hashlib.sha256(body).digest()


async def once(
    user_id: str, key: str | None, body: bytes, *, act: Callable[[Claim | None], Awaitable[Response]]
) -> Response:
    """Run `act` once for a key, and answer repeats with the first answer.

    `act` stores its answer with `idempotency.keep`, in the transaction that acts. A refusal is stored here,
    unless it is temporary (429, or 500 and above).

    Raises:
        IdempotencyConflict, IdempotencyInProgress: as `idempotency.claim`.
        ApplicationError: a refusal of `act` that is not kept.
    """
    if key is None:
        return await act(None)
    claimed = await idempotency.claim(user_id, key, request_hash=_request_hash(body))
    if isinstance(claimed, KeptAnswer):
        return _replayed(claimed)
    try:
        return await act(claimed)
    except ApplicationError as error:
        if error.status == RateLimited.status or error.status >= 500:
            await idempotency.give_up(claimed)
            raise
        refusal = problem_response(error)
        answer = KeptAnswer(refusal.status_code, bytes(refusal.body).decode())
        await idempotency.keep_refusal(claimed, answer)
        return refusal
    except BaseException:
        # Shielded, because the exception may be the cancellation of this request.
        await asyncio.shield(idempotency.give_up(claimed))
        raise


def _replayed(answer: KeptAnswer) -> Response:
    is_problem = answer.status >= 400
    return Response(
        answer.body,
        status_code=answer.status,
        headers={"Idempotency-Replayed": "true", "Cache-Control": "no-store"},
        media_type="application/problem+json" if is_problem else "application/json",
    )
