"""Keeps Python from looking for garbage while a process imports what it needs, a fifth of a start's time.

Imported first by what starts a process, which calls `look_again` when all is imported: what was stays, and is
never looked through again.
"""

import gc

gc.disable()


def look_again() -> None:
    """Look for garbage from now on, in what is made from now on."""
    gc.freeze()
    gc.enable()
