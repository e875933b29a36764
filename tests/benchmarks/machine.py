"""How busy the machine was, to be printed beside each figure."""

import os


def load() -> str:
    """Return how many processes wanted to run, on average over the last minute and five, and the cores."""
    last, before, _ = os.getloadavg()
    return f"load {last:.1f} and {before:.1f} on {os.cpu_count()} cores"
