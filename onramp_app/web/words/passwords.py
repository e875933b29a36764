"""What pages say about a new password."""

from onramp_app.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from onramp_app.texts import _


def weak_password_text(password: str | None = None) -> str:
    """Return the sentence for a new password that is refused. `password`: what was typed, where known."""
    if password is not None and MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return _("This password is easy to guess or known from a leak. Try a few unrelated words.")
    return _("This password is too short, easy to guess or known from a leak. Try a few unrelated words.")
