"""What pages say about a new password."""

from onramp_app.texts import _


def weak_password_text() -> str:
    """Return the sentence for a new password that is refused."""
    return _("This password is too short, easy to guess or known from a leak. Try a few unrelated words.")
