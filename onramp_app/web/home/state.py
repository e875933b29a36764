"""The state of `/home`: the balance, the top-ups on their way, and the latest activity."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import reflex as rx
from reflex.event import EventSpec

from onramp_app.accounts import accounts
from onramp_app.accounts.accounts import ProfileChanges
from onramp_app.domain import clock
from onramp_app.domain.amounts import asset_text, fiat_text, number_text
from onramp_app.domain.errors import ValidationFailed
from onramp_app.pricing.names import asset_name
from onramp_app.texts import _, current_language, listed
from onramp_app.top_ups.transitions import Charged
from onramp_app.top_ups.usual_time import usual_minutes
from onramp_app.wallet.latest import Latest
from onramp_app.wallet.views import AssetBalanceView, BalancesView
from onramp_app.web.home.cards import card_of, verification_note
from onramp_app.web.home.line import draw
from onramp_app.web.home.repeat import kept_card, repeat_of, several_of
from onramp_app.web.home.shapes import AssetRow, BalanceLine, BalanceShown, OpenCard, Repeat, Several
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import SessionState, to_login
from onramp_app.web.words.amounts import moment_text, split_decimals
from onramp_app.web.words.transactions import ActivityRow, row_of


class HomeState(LiveState):
    """What the home page shows. `is_first_run`: no money was ever added, and none is on its way."""

    _place: ClassVar[str] = "/home"

    is_loaded: bool = False
    is_first_run: bool = False
    verification: str = ""  # The note about an unfinished or failed verification; empty without one.
    balance: BalanceShown = BalanceShown()
    line: BalanceLine = BalanceLine()
    open_cards: list[OpenCard] = []  # noqa: RUF012  # Reflex copies the default for each state.
    is_over: bool = False  # The one card is of a top-up that has ended since the page was loaded.
    several: Several = Several()
    repeat: Repeat = Repeat()
    assets: list[AssetRow] = []  # noqa: RUF012
    recent: list[ActivityRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read everything that the page shows. If the read fails, the page keeps what it shows."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        await self._show(Latest(viewer))
        return None

    @rx.event
    async def choose_currency(self, currency: str) -> EventSpec | None:
        """Show amounts in another currency from now on, here and everywhere else."""
        if (viewer := await self._viewer()) is None:
            return to_login(self)
        try:
            wanted = ProfileChanges(display_currency=currency if isinstance(currency, str) else "")
            viewer = await accounts.update_profile(viewer, wanted)
        except ValidationFailed:
            return None  # Not a currency of the list: the page stays as it is.
        (await self.get_state(SessionState))._bind(viewer)
        await self._show(Latest(viewer))
        return None

    def _has_loaded(self) -> bool:
        return self.is_loaded

    async def _catch_up(self, latest: Latest) -> None:
        shown = self.open_cards
        await self._show(latest)
        if len(shown) == 1 and not self.open_cards:
            self.open_cards = [kept_card(shown[0], (await latest.wallet()).recent)]
            self.is_over = True

    async def _show(self, latest: Latest) -> None:
        # All tabs of a person show the same page, and composing its text takes longer than showing it.
        page = await latest.once(("home", current_language()), lambda: _page_of(latest))
        self.balance, self.line = page.balance, page.line
        self.open_cards, self.assets, self.recent = [*page.open_cards], [*page.assets], [*page.recent]
        self.is_over = False
        self.several, self.repeat = several_of(page.open_cards), page.repeat
        self.is_first_run = page.is_first_run
        self.verification = verification_note(latest.viewer.kyc_status)
        self.is_loaded = True
        self._is_current()


@dataclass(frozen=True, slots=True)
class _HomePage:
    """Everything that the page shows, as text."""

    balance: BalanceShown
    line: BalanceLine
    open_cards: tuple[OpenCard, ...]
    assets: tuple[AssetRow, ...]
    recent: tuple[ActivityRow, ...]
    repeat: Repeat
    is_first_run: bool


async def _page_of(latest: Latest) -> _HomePage:
    wallet = await latest.wallet()
    balances, open_top_ups = wallet.balances, wallet.open_top_ups
    usual = {view.payment_method: await usual_minutes(view.payment_method) for view in open_top_ups}
    # Until a payment that may have been made is found, the person is not asked to make another one.
    is_sought = any(view.charged == Charged.UNKNOWN for view in open_top_ups)
    by_worth = sorted(balances.items, key=lambda item: Decimal(item.worth or 0), reverse=True)
    return _HomePage(
        balance=balance_of(balances),
        line=draw(wallet.history, now=clock.now(), currency=balances.display_currency),
        open_cards=tuple(
            card_of(view, usual_minutes=usual[view.payment_method], is_another_sought=is_sought)
            for view in open_top_ups
        ),
        assets=tuple(_asset_row(item, balances.display_currency) for item in by_worth),
        recent=tuple(row_of(view) for view in wallet.recent),
        repeat=repeat_of(wallet.last),
        is_first_run=not (balances.items or open_top_ups or wallet.recent),
    )


def balance_of(view: BalancesView) -> BalanceShown:
    """Return the large amount: the worth of the available assets or, without rates, the assets themselves."""
    has = [item for item in view.items if Decimal(item.available)]
    if view.display_amount is None:
        return _unpriced(has)
    text = fiat_text(view.display_amount, view.display_currency)
    head, tail = split_decimals(text)
    second = ""
    if has and view.dollar_amount is not None and view.display_currency != "USD":
        second = f"≈ {fiat_text(view.dollar_amount, 'USD')}"
    return BalanceShown(
        head=head,
        tail=tail,
        words=text,
        second=second,
        rates_note=_("Rates are older than usual:") if view.is_stale else "",
        rates_as_of=moment_text(view.as_of) if has and view.is_stale else "",
    )


def _unpriced(has: list[AssetBalanceView]) -> BalanceShown:
    texts = [asset_text(item.available, item.asset) for item in has]
    head, tail = split_decimals(number_text(has[0].available, has[0].asset))
    others = _("and {others}").format(others=listed(texts[1:])) if texts[1:] else ""
    return BalanceShown(
        head=head,
        tail=f"{tail} {has[0].asset}",
        words=listed(texts),
        second=others,
        rates_note=_("No exchange rates right now."),
    )


def _asset_row(item: AssetBalanceView, currency: str) -> AssetRow:
    arriving, held, owed = (Decimal(amount) for amount in (item.pending, item.held, item.owed))
    reserved = Decimal(item.reserved)
    held -= reserved
    return AssetRow(
        code=item.asset,
        name=asset_name(item.asset),
        amount=number_text(item.available, item.asset),
        worth=fiat_text(item.worth, currency) if item.worth is not None and Decimal(item.available) else "",
        arriving=_("≈ {amount} arriving").format(amount=number_text(arriving, item.asset))
        if arriving
        else "",
        held=_("{amount} held for you until we've reviewed it").format(amount=number_text(held, item.asset))
        if held
        else "",
        reserved=_("{amount} reserved for a purchase").format(amount=number_text(reserved, item.asset))
        if reserved
        else "",
        owed=_("{amount} owed after a reversal; the next money that arrives pays it first").format(
            amount=number_text(owed, item.asset)
        )
        if owed
        else "",
    )
