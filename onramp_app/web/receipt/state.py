"""The state of `/receipt/[code]`, which anybody may open: a code reveals its receipt and no more."""

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts.sessions import Client
from onramp_app.domain.errors import DatabaseUnavailable, RateLimited
from onramp_app.receipts import check as checking
from onramp_app.receipts.codes import MAX_TYPED
from onramp_app.texts import _
from onramp_app.web.parts.places import path_of
from onramp_app.web.receipt.shapes import Checked, CheckedLine
from onramp_app.web.tabs.session import page_path
from onramp_app.web.words.forms import text_of

FORM = "check"  # In the address in place of a code, for the empty form.


class ReceiptState(rx.State):
    """What the check of the code in the address has found; the verdict is empty until then.

    `checked_code` is the code that was checked. Until the page has loaded, it may be that of another address.
    """

    checked: Checked = Checked()
    checked_code: str = ""
    problem: str = ""

    @rx.event
    async def load(self) -> None:
        """Check the code in the address."""
        self.problem, code = "", page_path(self).rpartition("/")[2]
        self.checked, self.checked_code = await self._check(code), code

    @rx.event
    def look_up(self, form: dict[str, object]) -> EventSpec | None:
        """Go to the address of a code that was typed, or of a whole address that was pasted."""
        typed = text_of(form, "code").strip().rstrip("/").rpartition("/")[2]
        code = "".join(letter for letter in typed if letter.isascii() and letter.isalnum())
        if not code or len(typed) > MAX_TYPED:
            self.problem = _("Enter the code as it's printed on the receipt.")
            return None
        return rx.redirect(f"{path_of('/receipt')}/{code}")

    async def _check(self, code: str) -> Checked:
        if code in ("", FORM):
            return Checked(verdict="unasked")
        headers = self.router.headers
        client = Client(self.router.session.client_ip, headers.user_agent, headers.cookie)
        try:
            found = await checking.check(code, client)
        except (RateLimited, DatabaseUnavailable):
            return Checked(verdict="later")
        if found is None:
            return Checked(verdict="unknown")
        return Checked(
            verdict="genuine" if found.is_current else "changed",
            title=found.title,
            statement=found.statement,
            head=found.head,
            lines=[CheckedLine(line.label, line.value, line.is_code) for line in found.lines],
        )
