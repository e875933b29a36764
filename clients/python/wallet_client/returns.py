"""Verifies what a browser brings back from an add-money link."""

import hashlib
import hmac
from collections.abc import Mapping

_SIGNED = ("link_id", "top_up_id", "status", "amount", "asset", "at")


def is_genuine_return(query: Mapping[str, str], return_secret: str) -> bool:
    """Return whether the wallet wrote the result in the query of a return address.

    A genuine result says what was so when the person left. Whether the money has arrived, the link itself
    or a webhook says.

    Args:
        query: the parameters of the address, each once.
        return_secret: of the very link that the person was sent to; nothing is genuine without one.
    """
    if not return_secret:
        return False
    signed = "|".join(query.get(name, "") for name in _SIGNED)
    expected = hmac.new(return_secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), query.get("signature", "").encode())
