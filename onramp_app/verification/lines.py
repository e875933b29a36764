"""The two lines behind one port: how a person begins to be verified, and whether we hear of it."""

from typing import Protocol

from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.verification.errors import VerificationNotStartable
from onramp_app.verification.white_label import start as start_white_label
from onramp_app.verification.words import Line


class VerificationLine(Protocol):
    """How the provider verifies people for this installation."""

    line: Line

    async def start(self, viewer: Viewer, phone: str | None) -> str:
        """Take up a verification. Returns the address of the provider's page, which nobody else may see.

        Args:
            viewer: who.
            phone: with its country code, needed the first time and passed on to the provider only.

        Raises:
            ValidationFailed: the phone number is missing or none that can be used.
            VerificationRefused, VerificationNotStartable: there is nothing to begin.
            PhoneTaken: the number belongs to another account here.
            RateLimited, ProviderUnavailable, DatabaseUnavailable: come back later.
        """
        ...


class WhiteLabelLine:
    """The provider verifies people at an address that it gives us, and answers how that stands."""

    line = Line.WHITE_LABEL

    async def start(self, viewer: Viewer, phone: str | None) -> str:
        """Take up a verification."""
        return await start_white_label(viewer, phone)


class WidgetLine:
    """The provider verifies people inside its payment page, and tells us nothing about it."""

    line = Line.WIDGET

    async def start(self, viewer: Viewer, phone: str | None) -> str:
        """Refuse: there is no page of its own to go to."""
        del viewer, phone
        raise VerificationNotStartable("The payment provider verifies you inside its payment page.")


def get_line() -> VerificationLine:
    """Return the line of the settings."""
    return WhiteLabelLine() if get_settings().onramp_white_label else WidgetLine()
