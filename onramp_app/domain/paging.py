"""Cursors for lists ordered by time and id, newest first: opaque text, in the same form for every list."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onramp_app.domain.ids import is_id

MAX_LENGTH = 96
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 17 digits of microseconds reach the year 5138, so any such number is a valid time.
_SHAPE = re.compile(r"([0-9]{1,17})\.([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page; the next page begins after it. Rows added later never shift it."""

    created_at: datetime
    id: str


def write_cursor(position: Position) -> str:
    """Return the cursor of a position, exact to the microsecond."""
    microseconds = (position.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds}.{position.id}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position:
    """Return the position that a cursor encodes. Raises `ValueError` for a text that is not a cursor."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise ValueError("this is not a cursor")
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("this is not a cursor") from error
    found = _SHAPE.fullmatch(plain)
    if found is None or not is_id(found[2]):
        raise ValueError("this is not a cursor")
    return Position(_EPOCH + timedelta(microseconds=int(found[1])), found[2])
