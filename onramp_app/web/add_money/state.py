"""The state of `/add-money`: the address keeps the choices, and slow work runs in the background."""

from dataclasses import replace
from decimal import Decimal
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain.errors import ApplicationError, DatabaseUnavailable, RateLimited
from onramp_app.domain.ids import new_id
from onramp_app.idempotency import IdempotencyInProgress
from onramp_app.links.errors import LinkOver
from onramp_app.links.sessions import Payer
from onramp_app.pricing.names import method_name, network_name
from onramp_app.pricing.quotes import QuoteView, quote_of
from onramp_app.providers.errors import AmountOutOfLimits, ProviderUnavailable
from onramp_app.top_ups import top_ups
from onramp_app.top_ups.errors import QuoteChanged, TierTooLow, TooManyOpenTopUps
from onramp_app.wallet import announcements
from onramp_app.wallet.latest import Latest
from onramp_app.web.add_money.amounts.state import TypesAmounts
from onramp_app.web.add_money.amounts.words import out_of_limits_text
from onramp_app.web.add_money.ask import WizardAnswer, read_offer, request_of
from onramp_app.web.add_money.by_link.state import KeepsToLink
from onramp_app.web.add_money.choices import STEPS, Choices, choices_of
from onramp_app.web.add_money.open_state import AsksAboutOpen
from onramp_app.web.add_money.quote_state import KnowsTier, ShowsQuote
from onramp_app.web.add_money.shapes import Blocked
from onramp_app.web.add_money.words import (
    RETRY_SECONDS,
    blocked_of,
    needs_tier_text,
    not_read_text,
    nothing_begun_text,
    perhaps_begun_text,
    problem_text,
)
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import link_token_of, page_path, route_of, to_login


class WizardState(AsksAboutOpen, ShowsQuote, TypesAmounts, KnowsTier, KeepsToLink, LiveState):
    """What the wizard shows.

    A late answer is dropped if something newer was asked meanwhile, or if the tab was reset.
    """

    _place: ClassVar[str] = "/add-money"
    _sent_by_page: ClassVar[frozenset[str]] = frozenset(("refresh",))  # when a quote has expired
    # All but the handlers that concern other top-ups of the person.
    _for_links: ClassVar[frozenset[str]] = frozenset(
        (
            *("load", "choose_currency", "choose_asset", "choose_network", "choose_method", "choose_quick"),
            *("typed", "typed_receive", "go_on", "refresh", "begin"),
        )
    )

    blocked: Blocked = Blocked()

    step: str = STEPS[0]
    search: str = ""  # The address's query for these choices; below, for the earlier steps.
    amount_search: str = ""
    pay_search: str = ""
    forward: str = ""  # The query of the next step, to which the page then goes.
    asset: str = ""
    network: str = ""
    network_name: str = ""
    method: str = ""
    method_name: str = ""
    time: str = ""  # How long this method usually takes, where that is known.

    problem: str = ""
    review_problem: str = ""
    is_beginning: bool = False

    _review: str = ""  # The id of the review being confirmed, until its outcome is known.
    _begun: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Apply the choices in the address, and show open top-ups before another one can be begun."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        self.forward = ""
        self._take_terms(viewer)
        wanted = choices_of(self.router.url.query_parameters)
        # No page waits for a confirmation now. One still running is of the same review, begun once at most.
        self.is_beginning = False
        if self._begun:
            # A person who comes back, or whose tab missed that it was begun, sees the top-up before a form.
            wanted = replace(wanted, is_another=False)
            self._begun, self._review = "", ""
        self._choose(wanted, writes=True)
        self._forget_messages()
        self._is_current()
        self._stands(viewer)
        try:
            await top_ups.may_begin(viewer)
        except TooManyOpenTopUps as error:
            self.open_problem = problem_text(error)
        except ApplicationError as error:
            if (blocked := blocked_of(error, viewer.user_id)) is None:
                raise
            self.shows, self.blocked = "blocked", self._held_block(blocked)
            return None
        if self._terms is not None:
            # A browser that opened a link must not learn what else is open.
            self.shows, self.review_problem, self.open_problem = "form", self.open_problem, ""
            return self._ask()
        self.reading = "asking"
        self._show_open(await Latest(viewer).open_top_ups())
        if self.open_ones and (self.open_problem or not self._choices.is_another):
            self.shows = "open"
            return WizardState.ask_provider
        self.shows = "form"
        return self._ask()

    def _has_loaded(self) -> bool:
        return bool(self.shows) or link_token_of(self) is not None

    async def _catch_up(self, latest: Latest) -> None:
        if self.is_beginning or not self.shows:
            return
        if self._terms is not None:
            if self._stands(latest.viewer):
                self._count(1)
            self._is_current()
            return
        views = await latest.open_top_ups()
        if self.shows == "form" and views and not self._choices.is_another:
            # A top-up was begun elsewhere meanwhile. It is shown before another one can be begun.
            self.shows, self.reading, self.read_at = "open", "", ""
        self._show_open(views)
        if self._stands(latest.viewer):
            self._count(1)  # The page asks then, as when a quote expires.
        self._is_current()

    # Choosing

    @rx.event
    async def choose_currency(self, value: str) -> EventSpec | None:
        """Pay with another currency (`INR-IN`). An amount in that currency is proposed."""
        if await self._viewer() is None:
            return to_login(self)
        currency, _sign, country = value.partition("-") if isinstance(value, str) else ("", "", "")
        wanted = choices_of({"currency": currency, "country": country})
        if not wanted.currency:
            return None
        kept = self._choices
        self._choose(
            replace(kept, currency=wanted.currency, country=wanted.country, amount=None, method=""),
            writes=True,
        )
        return self._ask()

    @rx.event
    async def choose_asset(self, asset: str) -> EventSpec | None:
        """Receive another asset. The total stays: the same figure in another asset is a different amount."""
        return await self._change("asset", asset, receive="")

    @rx.event
    async def choose_network(self, network: str) -> EventSpec | None:
        """Receive the asset over another network."""
        return await self._change("network", network)

    @rx.event
    async def choose_method(self, method: str) -> EventSpec | None:
        """Pay another way."""
        return await self._change("method", method)

    async def _change(self, name: str, value: str, **others: str) -> EventSpec | None:
        if await self._viewer() is None:
            return to_login(self)
        wanted = getattr(choices_of({name: value}), name)
        if not wanted:
            return None
        self._choose(replace(self._choices, **{name: wanted, **others}))
        return self._ask()

    @rx.event
    async def go_on(self, form: dict[str, str]) -> EventSpec | None:
        """Go to the next step with the form's values: the last keystrokes may not have arrived before."""
        if await self._viewer() is None:
            return to_login(self)
        form = form if isinstance(form, dict) else {}
        choices = self._choices
        if self.step == "amount":
            is_known, asked = self._take_fields(form.get("amount", ""), form.get("receive", ""))
            if not is_known or self._is_refused() or (self.receives and (self.is_old or not self._expected)):
                return asked or self._to_problem()
            choices, step = self._choices, "pay"
        elif self.step == "pay":
            wanted = choices_of({"method": form.get("method", "")}).method
            offered = {card.code for card in self.offer.methods if not card.closed}
            if wanted not in offered:
                return None
            choices, step = replace(choices, method=wanted), "check"
        else:
            return None
        self._choose(choices)
        self.forward = replace(choices, step=step).search()
        return None

    def _to_problem(self) -> EventSpec | None:
        """Return the event that focuses the field with a problem, as its message is announced only once."""
        if self.receive_problem:
            return rx.set_focus("receive")
        return rx.set_focus("amount") if self.amount_problem else None

    def _is_refused(self) -> bool:
        return bool(self.amount_problem or self.receive_problem or self.verify_words or self.offer.closed)

    # Asking the provider

    @rx.event(background=True)
    async def refresh(self) -> EventSpec | None:
        """Read the offer and a quote: after a choice, when a quote has expired, or to retry."""
        async with self:
            if (viewer := await self._viewer()) is None:
                return to_login(self)
            if self.shows != "form" or not self._is_shown_at(route_of(self)):
                return None
            self._asked = asked = new_id()
            self.is_asking = True
            choices = self._choices
        try:
            found = await read_offer(viewer, choices)
            if not await announcements.live_sessions({viewer.session_id}):
                return to_login(self)
        except DatabaseUnavailable:
            found = WizardAnswer(choices, problem=not_read_text(), retry_seconds=RETRY_SECONDS)
        async with self:
            if self._asked == asked:
                self._show(found)
        return None

    # What is open already

    @rx.event
    async def start_another(self) -> EventSpec | None:
        """Show the form although a top-up is open."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        if self.shows != "open":
            return None
        try:
            await top_ups.may_begin(viewer)
        except ApplicationError as error:
            self.open_problem = problem_text(error)
            return None
        return self._go_to_form()

    def _go_to_form(self) -> EventSpec:
        if not self.is_beginning:
            self._review = ""  # If it began a top-up, that one was on the list.
        self._choose(replace(self._choices, is_another=bool(self.open_ones), step=STEPS[0]), writes=True)
        self.shows, self.open_problem = "form", ""
        if choices_of(self.router.url.query_parameters).step != STEPS[0]:
            # A person who came back from paying is at the address of the last step.
            return rx.redirect(f"{page_path(self)}{self.search}", replace=True)
        return self._ask()

    # Beginning

    @rx.event(background=True)
    async def begin(self) -> EventSpec | None:
        """Begin the top-up that the review shows, once, and go to the page where it is paid."""
        async with self:
            if (viewer := await self._viewer()) is None:
                return to_login(self)
            if (
                self.is_beginning
                or self.shows != "form"
                or self.step != "check"
                or not self._expected
                or self.is_old
            ):
                return None
            self.is_beginning, self.review_problem, self.changed = True, "", ""
            self._review = review = self._review or new_id()
            choices, expected = self._choices, Decimal(self._expected)
        top_up_id, refused = "", None
        try:
            top_up_id = await self._create(viewer, request_of(choices), expected=expected, review=review)
        except LinkOver:
            return to_login(self)
        except ApplicationError as error:
            refused = error
        finally:
            async with self:
                if self._review == review:
                    self._begun = top_up_id
                    self.is_beginning = bool(top_up_id)
                    if refused is not None:
                        self._refuse(refused, choices, viewer.user_id)
        if top_up_id:
            is_of_link = isinstance(viewer, Payer)
            return rx.redirect(page_path(self) if is_of_link else f"{page_path(self)}/{top_up_id}")
        return WizardState.refresh if not isinstance(refused, QuoteChanged) else None

    def _refuse(self, error: ApplicationError, choices: Choices, user_id: str) -> None:
        """Show why no top-up was begun, where it can be corrected, or that nobody knows if one was."""
        if isinstance(error, (DatabaseUnavailable, IdempotencyInProgress)):
            self.review_problem = perhaps_begun_text()
            return  # Confirming again confirms the same review, which begins one top-up at most.
        self._review = ""
        if (blocked := blocked_of(error, user_id)) is not None:
            self.shows, self.blocked = "blocked", self._held_block(blocked)
        elif isinstance(error, QuoteChanged):
            if choices == self._choices:  # The new quote is not for choices made meanwhile.
                self._show_quote(quote_of(error.extra["quote"]), choices)  # type: ignore[arg-type]
            self.changed, self.review_problem = "", problem_text(error)
        elif isinstance(error, TierTooLow) and self._terms is None:
            self.verify_words = needs_tier_text(str(error.extra.get("max", "0")), choices.currency)
        elif isinstance(error, AmountOutOfLimits):
            amount = Decimal(choices.amount or 0)
            self.review_problem = out_of_limits_text(error.extra, amount, choices.currency)
        elif isinstance(error, (RateLimited, ProviderUnavailable)):
            self.review_problem = nothing_begun_text(error)
        else:
            self.review_problem = problem_text(error)

    # What is shown

    def _choose(self, choices: Choices, *, writes: bool = False) -> None:
        """Apply choices. `writes`: both amounts go into their fields too, because nobody typed them there."""
        choices = self._held(choices)
        if choices != self._choices:
            self.changed = self.review_problem = self.verify_words = ""
        if not self.is_beginning and request_of(choices) != request_of(self._choices):
            self._review = ""
        self._asked = ""
        self._choices = choices
        self.step = choices.step
        self.asset, self.network, self.method = choices.asset, choices.network, choices.method
        self.network_name, self.method_name = network_name(choices.network), method_name(choices.method)
        self.time = next((card.time for card in self.offer.methods if card.code == choices.method), "")
        self.search = choices.search()
        self._come_back_to(self.search)
        self.amount_search = replace(choices, step="amount").search()
        self.pay_search = replace(choices, step="pay").search()
        self._hold_quote_against(choices)
        self._write_amounts(choices, writes=writes)

    def _ask(self) -> EventSpec:
        self.is_asking = True
        return WizardState.refresh

    def _show(self, found: WizardAnswer) -> None:
        """Show an answer. Never called if the choices have changed since it was asked for."""
        self.is_asking = False
        found = self._held_answer(found)
        if found.offer is not None:
            if self.offer != found.offer:
                self.offer = found.offer
            self._choose(found.choices, writes=self._choices.amount is None)
            self.amount_problem, self.verify_words = found.amount_problem, found.verify_words
            self.receive_problem = found.receive_problem
        self.problem = found.problem
        self._count(found.retry_seconds)
        if found.quoted is not None:
            self._mid_rate = str(found.mid_rate or "")
            self._show_quote(found.quoted, self._choices)
        elif found.problem and self._question:
            self.is_old = True
        else:
            self._forget_quote()

    def _show_quote(self, quote: QuoteView, choices: Choices) -> None:
        super()._show_quote(quote, choices)
        self._write_received(self.bill.receive + self.bill.receive_decimals)

    def _forget_quote(self) -> None:
        super()._forget_quote()
        self._write_received("")

    def _forget_messages(self) -> None:
        self.problem = self.changed = self.review_problem = self.open_problem = ""
        self.amount_problem = self.receive_problem = self.verify_words = self.reading = self.read_at = ""
