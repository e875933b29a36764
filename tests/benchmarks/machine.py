"""How busy the machine was, printed next to each figure."""

import os


def load() -> str:
    """Return the load averages of the last minute and five minutes, and the number of cores."""
    last, before, _ = os.getloadavg()
    return f"load {last:.1f} and {before:.1f} on {os.cpu_count()} cores"
