"""The parts of the wizard's state that hold the quote, and whether an amount needs a higher tier."""

from decimal import Decimal
from urllib.parse import urlencode

from onramp_app.accounts.views import Viewer
from onramp_app.domain import clock
from onramp_app.domain.ids import new_id
from onramp_app.pricing.quotes import QuoteView
from onramp_app.web.add_money.choices import Choices
from onramp_app.web.add_money.shapes import Bill
from onramp_app.web.add_money.words import bill_of, changed_text, no_bill, verify_action
from onramp_app.web.tabs.session import PrivateState

# Smaller moves happen all the time, and change nobody's mind.
WARNED_FROM_PERCENT = Decimal("0.5")


class ShowsQuote(PrivateState, mixin=True):
    """The last quote. `is_old`: the choices have changed since, or the quote could not be renewed.

    A renewed quote replaces the figures in place. `changed` warns of one that is at least half a percent away
    from the figures on which the person decided, or about which they were last warned.
    """

    bill: Bill = Bill()
    is_asking: bool = False
    is_old: bool = False
    changed: str = ""
    timer: str = ""  # The id of the countdown to the end of the quote, or to the next retry.
    timer_seconds: int = 0

    _question: str = ""  # The choices that the quote is for, as one text.
    _expected: str = ""  # What the shown quote says will arrive, exactly.
    _mid_rate: str = ""  # The mid-market rate of the asset; empty where none is fresh.
    _measure: tuple[str, str] = ("0", "0")  # The amounts paid and received that moves are measured against.

    def _show_quote(self, quote: QuoteView, choices: Choices) -> None:
        question, self.changed = _question(choices), ""
        self.bill = bill_of(quote, currency=choices.currency, asset=choices.asset, mid_rate=self._mid_rate)
        measure = (quote.fiat_amount, quote.expected_amount)
        if self._question != question:
            self._measure = measure
        elif any(map(_has_moved, self._measure, measure)):
            self._measure, self.changed = measure, changed_text(self.bill)
        self._question, self._expected, self.is_old = question, quote.expected_amount, False
        self._count(max(1, int((quote.expires_at - clock.now()).total_seconds())))

    def _hold_quote_against(self, choices: Choices) -> None:
        self.is_old = self._question not in ("", _question(choices))

    def _forget_quote(self) -> None:
        self.bill, self._question, self._expected = no_bill(self.bill), "", ""
        self.changed = ""
        self.is_old = self.is_asking = False

    def _count(self, seconds: int) -> None:
        self.timer, self.timer_seconds = new_id(), seconds


class KnowsTier(PrivateState, mixin=True):
    """Whether the amount needs a higher tier, and with which verification status the page was read."""

    verify_words: str = ""  # Why the amount needs a higher tier, and where to go for it.
    verify_to: str = ""
    verify_action: str = ""  # The label of the button that leads there.

    _standing: str = ""

    def _stands(self, viewer: Viewer) -> bool:
        """Record the person's verification status and tier. Return whether they, and so limits, changed."""
        before, self._standing = self._standing, f"{viewer.kyc_status} {viewer.kyc_tier}"
        return before != self._standing

    def _come_back_to(self, search: str) -> None:
        """Make the verification page lead back to these choices."""
        self.verify_to = f"/verify?{urlencode({'next': f'/add-money{search}'})}"
        self.verify_action = verify_action()


def _has_moved(before: str, after: str) -> bool:
    return abs(Decimal(after) - Decimal(before)) * 100 >= Decimal(before) * WARNED_FROM_PERCENT


def _question(choices: Choices) -> str:
    """Return everything that a quote depends on, as one text."""
    asked = f"receive {choices.receive}" if choices.receive else f"{choices.amount}"
    return f"{asked} {choices.currency} {choices.country} {choices.asset} {choices.network}"
