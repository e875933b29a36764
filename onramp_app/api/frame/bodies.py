"""Reads the body of a request, with limits on its bytes, its seconds and its pieces.

The server below passes data on as it arrives, for as long as somebody keeps sending. Without the deadline,
one byte now and then would hold a connection for ever. A short piece costs as much as a long one: without a
limit on pieces, a body of one-byte pieces would cost as much as a thousand bodies of 64 KiB.
"""

import asyncio

from starlette.types import Receive

from onramp_app.domain.errors import PayloadTooLarge, RequestTooSlow

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
# A body may have FREE_PIECES pieces, and one more for each LEAST_BYTES: the shortest segments that networks
# carry are of 536 bytes (RFC 9293 section 3.7.1).
FREE_PIECES = 10
LEAST_BYTES = 512
GATHER_SECONDS = 0.005


async def read_body(receive: Receive, *, received: bytearray, max_bytes: int = MAX_BODY_BYTES) -> bool:
    """Read a body into `received`, at most `max_bytes` long. Return False when the sender has gone.

    Raises:
        PayloadTooLarge: the body is too long, or comes in too many pieces.
        RequestTooSlow: the body was not complete within `BODY_SECONDS`.
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
