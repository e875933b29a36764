"""A process that sends webhooks until it is killed; `hasty` marks them delivered before sending them."""

import asyncio
import sys

from onramp_app.outgoing_webhooks import sender
from onramp_app.outgoing_webhooks.post import Answer, Poster
from onramp_app.outgoing_webhooks.sender import Taken


async def _send_hastily(taken: Taken, poster: Poster) -> None:
    async with sender.transaction() as db:
        await sender._conclude(db, taken, Answer(status=204))
    await sender._post(poster, taken.endpoint, taken.event.id, taken.event.body, at=taken.at)


if __name__ == "__main__":
    sender.TAKEN_SECONDS = 1.5  # another process soon takes over a killed one's claims
    if sys.argv[1:] == ["hasty"]:
        sender.send_one = _send_hastily  # type: ignore[assignment]
    asyncio.run(sender.keep_sending())
