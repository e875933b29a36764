"""When a delivery that was not taken is tried again: with growing waits, for three days. Pure."""

import random
from datetime import datetime, timedelta

# The specification's own proposal, with its last waits shortened, so that all of them end within three days.
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
# Retries of many deliveries that failed together are spread over this part of their wait.
JITTER = 0.05
# What an endpoint asks for by `Retry-After` counts up to this; a mistyped one does not end the retries.
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
        attempts: how many there were, this one included.
        first_tried_at: when the first one was.
        now: when this one ended.
        retry_after: what the endpoint asked for; it can make a wait longer and never shorter.
        spread: where in the jitter this one lies, from 0 to 1; drawn unless given.
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
