"""The state of `/verify`: where somebody stands, their limits, and the provider's page while it is open here.

Nothing here decides: a status comes from a signed read or an operator. The phone number goes from the form to
the provider, and is neither kept in the state nor shown again.
"""

import asyncio
from contextlib import suppress
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.domain.errors import ApplicationError
from onramp_app.domain.ids import new_id
from onramp_app.domain.places import own_path
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.top_ups.meter import Meter, meter_of_person
from onramp_app.verification import hints
from onramp_app.verification.frame import frame_allow, may_frame
from onramp_app.verification.lines import get_line
from onramp_app.verification.phone import code_of_country
from onramp_app.verification.views import VerificationView, view_of
from onramp_app.verification.words import Line
from onramp_app.wallet.latest import Latest
from onramp_app.web.parts.qr_code import qr_code
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import to_login
from onramp_app.web.verify.asked_for import asked_text
from onramp_app.web.verify.shapes import NOT_READ, LimitLine, VerifyPage
from onramp_app.web.verify.words import (
    limit_lines,
    page_of,
    published_text,
    start_problem,
)

# The limits need rates and the provider's configuration; the rest of the page does not wait for those.
_LIMITS_WITHIN_SECONDS = 2.0
_MAX_TYPED = 40
_MAX_CODE_CHARACTERS = 800  # A longer address makes a code that no phone reads from a screen.


class VerifyState(LiveState):
    """What the page shows. `link` is the provider's page, meant for this person alone."""

    _place: ClassVar[str] = "/verify"

    page: VerifyPage = NOT_READ
    limits: list[LimitLine] = []  # noqa: RUF012  # Reflex copies the default for each state.
    published: str = ""
    is_raised_by_support: bool = False
    are_ours_unknown: bool = False  # Ours cannot be counted, for want of an exchange rate.
    asked: list[str] = []  # noqa: RUF012  # What the provider asks for in the person's country.
    phone_code: str = ""
    back_to: str = ""  # Where the person came from, to which the page leads back.

    link: str = ""
    is_framed: bool = False
    frame_allow: str = ""
    code: str = ""
    code_size: int = 0
    is_starting: bool = False
    phone_problem: str = ""
    problem: str = ""

    _shown: str = ""  # The standing that the page shows; another one ends what the link was for.
    _start: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read where the person stands, and have the provider asked, because somebody looks."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self.phone_problem = self.problem = ""
        self.is_starting, self._start = False, ""
        self.back_to = _way_back(self.router.url.query_parameters.get("next"))
        code = code_of_country(viewer.country)
        self.phone_code = f"+{code}" if code else ""
        self.asked = list(asked_text(viewer.country))
        await hints.look_again(viewer)
        await self._catch_up(Latest(viewer))
        return None

    @rx.event(background=True)
    async def start(self, form: dict[str, str]) -> EventSpec | None:
        """Take up the verification, with the phone number of the form where one is needed."""
        async with self:
            if (viewer := await self._viewer()) is None:
                return to_login(self)
            if self.is_starting:
                return None
            self.is_starting, self._start = True, new_id()
            self.phone_problem = self.problem = ""
            started = self._start
        link, refused = "", None
        try:
            link = await get_line().start(viewer, _phone_of(form))
        except ApplicationError as error:
            refused = error
        finally:
            async with self:
                if self._start == started:
                    self.is_starting = False
                    if refused is not None:
                        self.phone_problem, self.problem = start_problem(refused)
                if (now := await self._viewer()) is not None:
                    await self._catch_up(Latest(now))
                    if link and now.user_id == viewer.user_id and self._start == started:
                        self._open(link)
        return None

    @rx.event
    async def close(self) -> EventSpec | None:
        """Put the provider's page away. What was done there stays done."""
        if await self._viewer() is None:
            return to_login(self)
        self._forget_link()
        return None

    def _has_loaded(self) -> bool:
        return bool(self.page.kind)

    async def _catch_up(self, latest: Latest) -> None:
        view: VerificationView = await latest.once("verification", lambda: view_of(latest.viewer))
        shown = f"{view.status} {view.tier}"
        if self._shown and self._shown != shown and view.status != "started":
            self._forget_link()
        self._shown = shown
        page = page_of(view, reference=latest.viewer.user_id)
        if self.page != page:
            self.page = page
        await self._show_limits(latest.viewer)
        self._is_current()

    async def _show_limits(self, viewer: Viewer) -> None:
        meter = await _limits_of(viewer)
        if meter is not None:
            self.are_ours_unknown = not meter.is_whole
            self.limits, self.published = list(limit_lines(meter)), published_text(meter)
            is_raised = any(line.raised_by is not None for line in meter.lines)
            by_support = get_line().line is Line.WIDGET and not self.page.asks_support
            self.is_raised_by_support = is_raised and by_support

    def _open(self, link: str) -> None:
        self.link, self.is_framed = link, may_frame(link, get_settings())
        self.frame_allow = frame_allow(get_settings()) if self.is_framed else ""
        self.code, self.code_size = qr_code(link) if len(link) <= _MAX_CODE_CHARACTERS else ("", 0)

    def _forget_link(self) -> None:
        self.link, self.is_framed, self.frame_allow, self.code, self.code_size = "", False, "", "", 0


async def _limits_of(viewer: Viewer) -> Meter | None:
    """Return somebody's limits, without ours where those take too long; None: nothing is known in time."""
    for has_ours in (True, False):
        with suppress(ProviderUnavailable, TimeoutError):
            async with asyncio.timeout(_LIMITS_WITHIN_SECONDS):
                return await meter_of_person(viewer, has_ours=has_ours)
    return None


def _way_back(wanted: object) -> str:
    """Return an address of the wizard to lead back to, nothing for any other: anybody can write the query."""
    path = own_path(wanted) if isinstance(wanted, str) else ""
    return path if path.partition("?")[0] == "/add-money" else ""


def _phone_of(form: object) -> str | None:
    """Return the number that the form holds, with its country code, or None."""
    fields = form if isinstance(form, dict) else {}
    code, number = fields.get("phone_code"), fields.get("phone")
    if not isinstance(number, str) or not number.strip() or len(number) > _MAX_TYPED:
        return None
    if number.strip().startswith(("+", "00")) or not isinstance(code, str) or len(code) > _MAX_TYPED:
        return number
    digits = code.strip().lstrip("+")
    return f"+{digits} {number.strip()}" if digits else number
