"""The words of add-money links, and the limits of what programs ask for."""

import re
from datetime import timedelta
from enum import StrEnum

DEFAULT_LIFE = timedelta(hours=24)
MIN_LIFE, MAX_LIFE = timedelta(minutes=5), timedelta(days=30)
# For how long a link still shows how its top-up ended.
SHOWN_AFTER_END = timedelta(hours=1)
# The absolute end of a narrow session; the link opens another one for as long as it works.
SESSION_LIFE = timedelta(hours=12)
# Of a link, living and ended: a phone, a computer, and what previews addresses.
MAX_SESSIONS = 20
MAX_RETURN_URL = 1_000
REFERENCE = re.compile(r"[!-9;-~]{1,64}", re.ASCII)


class LinkStatus(StrEnum):
    """How a link stands: `USED` once a top-up was begun by it, however that ends."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"
