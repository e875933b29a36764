"""The state of `/outbox`, which does not exist in production, where mails are for their recipients."""

from dataclasses import dataclass
from typing import ClassVar

import reflex as rx

from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.mail import views
from onramp_app.mail.views import MailLineView
from onramp_app.texts import _
from onramp_app.web.words.amounts import moment_text


@dataclass(frozen=True)
class MailLine:
    """One row of the list, in words."""

    mail_id: str
    subject: str
    recipient: str
    state: str
    at: str


class OutboxState(rx.State):
    """The newest mails, and the one that is open."""

    lines: list[MailLine] = []  # noqa: RUF012  # Reflex copies the default for each state.
    is_empty: bool = False  # known once the list was read
    chosen: str = ""
    chosen_subject: str = ""
    chosen_recipient: str = ""
    plain: str = ""

    _most: ClassVar[int] = 50

    @rx.event
    async def load(self) -> None:
        """Read the newest mails, and open the one that the address names or, without a name, the newest."""
        try:
            lines = await views.newest(limit=self._most)
        except NotFound:
            lines = []
        self.lines = [_line(view) for view in lines]
        self.is_empty = not lines
        wanted = self.router.url.query_parameters.get("mail", "")
        await self._look(wanted if is_id(wanted) else lines[0].mail_id if lines else "")

    @rx.event
    async def look(self, mail_id: str) -> None:
        """Open one mail."""
        await self._look(mail_id if isinstance(mail_id, str) else "")

    async def _look(self, mail_id: str) -> None:
        try:
            mail = await views.one(mail_id)
        except NotFound:
            self.chosen = self.chosen_subject = self.chosen_recipient = self.plain = ""
            return
        self.chosen, self.plain = mail.line.mail_id, mail.plain
        self.chosen_subject, self.chosen_recipient = mail.line.subject, mail.line.recipient


def _line(view: MailLineView) -> MailLine:
    states = {"waiting": _("Waiting"), "sent": _("Sent"), "given_up": _("Not sent")}
    return MailLine(
        view.mail_id, view.subject, view.recipient, states[view.state], moment_text(view.created_at)
    )
