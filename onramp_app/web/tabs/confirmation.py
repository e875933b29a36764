"""What the shell says while the person's address is not confirmed, and the link that is mailed once more."""

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain.errors import RateLimited
from onramp_app.recovery import addresses
from onramp_app.texts import _
from onramp_app.web.tabs.session import PrivateState, to_login


class ConfirmationState(PrivateState):
    """Whether the link was mailed once more, and what kept it from being."""

    is_sent: bool = False
    problem: str = ""

    @rx.event
    async def send_again(self) -> EventSpec | None:
        """Mail the link that confirms the person's address once more."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self.is_sent, self.problem = False, ""
        try:
            await addresses.send_confirmation(viewer)
        except RateLimited:
            self.problem = _("We've sent it several times. Check your spam folder, or try again in an hour.")
        else:
            self.is_sent = True
        return None
