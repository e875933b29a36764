"""The words of programs, and the limits of what operators and programs choose."""

import re
from datetime import timedelta
from enum import StrEnum

MAX_NAME_LENGTH = 64
MAX_NETWORKS = 32
DEFAULT_REQUESTS_PER_MINUTE = 600
MAX_REQUESTS_PER_MINUTE = 6_000
# How long an earlier key may go on working beside the one that replaces it.
MOST_OVERLAP = timedelta(days=30)
# Visible ASCII: the same text on every system, and nothing that turns, hides or breaks a line.
EXTERNAL_ID = re.compile(r"[!-~]{1,128}")


class Scope(StrEnum):
    """What a key may be used for. Each route of programs asks for one."""

    USERS = "users"
    BALANCES = "balances"
    DEBITS = "debits"
    LINKS = "links"
    WEBHOOKS = "webhooks"
