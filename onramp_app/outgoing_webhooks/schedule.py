"""The retry schedule of a failed delivery: growing waits, for three days. Pure functions."""

import random
from datetime import datetime, timedelta

# As Standard Webhooks proposes, with the last waits shortened so that all of them end within three days.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=16),
    timedelta(hours=20),
)
GIVEN_UP_AFTER = timedelta(days=3)
# Each wait is lengthened by up to this fraction, to spread the retries of deliveries that failed together.
JITTER = 0.05
# `Retry-After` of an endpoint counts up to this, so that a mistyped value does not end the retries.
MOST_RETRY_AFTER = timedelta(hours=6)


def next_try(
    attempts: int,
    *,
    first_tried_at: datetime,
    now: datetime,
    retry_after: timedelta | None = None,
    spread: float | None = None,
) -> datetime | None:
    """Return when to try again after a failed attempt, or None where the delivery is given up.

    Args:
        attempts: the number of attempts so far, including this one.
        first_tried_at: when the first attempt was made.
        now: when this attempt ended.
        retry_after: the wait that the endpoint asked for; it can lengthen the wait but never shorten it.
        spread: the position within the jitter, from 0 to 1; random if not given.
    """
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1]
    part = random.random() if spread is None else spread  # noqa: S311 - no secret depends on it  # nosec B311
    wait += wait * JITTER * part
    if retry_after is not None:
        wait = max(wait, min(retry_after, MOST_RETRY_AFTER))
    at = now + wait
    return at if at <= first_tried_at + GIVEN_UP_AFTER else None
