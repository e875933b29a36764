"""Identifiers: opaque text that sorts by time of creation."""

import re
import secrets
import time

_SHAPE = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562 section 5.7) as 32 hexadecimal digits.

    It is unique and nearly ordered by time, so that indexes grow at one end; it is not a secret.
    """
    milliseconds = time.time_ns() // 1_000_000
    random_a, random_b = secrets.randbits(12), secrets.randbits(62)
    return f"{milliseconds << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b:032x}"


def is_id(text: str) -> bool:
    """Return whether the text has the form of an id; other texts are never looked up."""
    return _SHAPE.fullmatch(text) is not None


def reference_of(top_up_id: str) -> str:
    """Return the short reference that people can read out: the end of the id, like `9F3C-21AB`."""
    end = top_up_id[-8:].upper()
    return f"{end[:4]}-{end[4:]}"
