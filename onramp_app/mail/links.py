"""The secrets of mailed links, and the links' addresses, which always begin with `PUBLIC_URL`.

A secret is derived from a random id with `SECRET_KEY` and stored nowhere: neither the outbox nor the table of
links holds what opens a link, so that somebody who can only read the database can open none (decision 22).
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from jwt.utils import base64url_encode

from onramp_app.config import get_settings
from onramp_app.texts import path_in

_SHAPE = re.compile(r"[\w-]{43}", re.ASCII)


class LinkPlace(StrEnum):
    """The page that a mailed link opens."""

    CONFIRM = "/confirm"
    RESET = "/reset"


@dataclass(frozen=True, slots=True)
class MailLink:
    """What the database stores of a mailed link: its id, and the hash of its secret."""

    id: str
    hash: bytes


def new_link() -> MailLink:
    """Return a new mailed link. Its secret has 256 bits."""
    link_id = secrets.token_hex(32)
    key = get_settings().secret_key.get_secret_value()
    return MailLink(link_id, secret_hash(_secret(key, link_id)))


def secret_hash(secret: str) -> bytes:
    """Return the hash by which the secret of a link is recognized."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(text: object) -> bool:
    """Return whether a value has the form of a secret; only such values are looked up."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def secret_of(link: MailLink) -> str | None:
    """Return the secret of a link, or None if it was made with neither the present nor the previous key."""
    settings = get_settings()
    for key in (settings.secret_key, settings.secret_key_previous):
        if key is not None:
            secret = _secret(key.get_secret_value(), link.id)
            if hmac.compare_digest(secret_hash(secret), link.hash):
                return secret
    return None


def _secret(key: str, link_id: str) -> str:
    # The prefix separates these secrets from everything else that is derived from this key.
    digest = hmac.digest(key.encode(), f"mailed link\0{link_id}".encode(), "sha256")
    return base64url_encode(digest).decode()


def address_of(path: str, *, language: str, secret: str = "") -> str:
    """Return the address of a page, for use in a mail.

    The secret goes into the fragment (`#`), which browsers send to no server, so no proxy's log holds it.
    """
    return f"{get_settings().ui_origin}{path_in(language, path)}{f'#{secret}' if secret else ''}"
