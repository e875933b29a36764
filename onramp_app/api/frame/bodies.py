"""Reads the body of a request: so many bytes, within so many seconds, in so many pieces.

The server below hands on what comes as it comes, for as long as somebody keeps sending. Without the deadline
a byte now and then holds a connection for ever. Each piece costs the same, however short it is: without a
count of them, a body of one-byte pieces costs as much as a thousand of 64 KiB.
"""

import asyncio

from starlette.types import Receive

from onramp_app.domain.errors import PayloadTooLarge, RequestTooSlow

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
# So many pieces in any case, and then one for each of the shortest segments that networks carry (RFC 9293
# section 3.7.1: 536 bytes).
FREE_PIECES = 10
LEAST_BYTES = 512
GATHER_SECONDS = 0.005


async def read_body(receive: Receive, *, received: bytearray, max_bytes: int = MAX_BODY_BYTES) -> bool:
    """Read a body into `received`. Returns False when its sender has gone.

    Raises:
        PayloadTooLarge: it is longer, or comes in more pieces, than any of ours.
        RequestTooSlow: it was not there in time.
    """
    pieces = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return False
                piece = message.get("body", b"")
                received += piece
                pieces += 1
                if len(received) > max_bytes:
                    raise PayloadTooLarge(f"The body may have at most {max_bytes} bytes.")
                if not message.get("more_body", False):
                    return True
                if pieces > FREE_PIECES + len(received) // LEAST_BYTES:
                    raise PayloadTooLarge("The body comes in too many small pieces.")
                if len(piece) < LEAST_BYTES:
                    await asyncio.sleep(GATHER_SECONDS)  # What was sent meanwhile comes as one piece.
    except TimeoutError:
        raise RequestTooSlow(f"The whole body has to come within {BODY_SECONDS:.0f} seconds.") from None
