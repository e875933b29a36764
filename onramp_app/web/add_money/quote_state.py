"""The parts of the wizard's state that hold the quote, and what an amount needs of the person's tier."""

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

# Less than that moves all the time, and nobody decides otherwise for it.
WARNED_FROM_PERCENT = Decimal("0.5")


class ShowsQuote(PrivateState, mixin=True):
    """The last quote. `is_old`: the choices have changed since, or the quote could not be renewed.

    A renewed quote changes the figures where they stand. `changed` warns of one that is at least half a
    percent away from the figures that the person chose by, or was warned of last.
    """

    bill: Bill = Bill()
    is_asking: bool = False
    is_old: bool = False
    changed: str = ""
    timer: str = ""  # Names the countdown to the end of the quote, or to the next try.
    timer_seconds: int = 0

    _question: str = ""  # What the quote answers.
    _expected: str = ""  # What the shown quote says will arrive, exactly.
    _mid_rate: str = ""  # The mid-market rate of the asset; empty where none is fresh.
    _measure: tuple[str, str] = ("0", "0")  # What was to be paid and to arrive when that was last looked at.

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
    """What an amount needs beyond the person's tier, and with which tier the page was read."""

    verify_words: str = ""  # Why the amount needs a higher tier, and where to go for it.
    verify_to: str = ""
    verify_action: str = ""  # What the button says that leads there.

    _standing: str = ""

    def _stands(self, viewer: Viewer) -> bool:
        """Note where the person stands. Returns whether that is new, so that other limits may apply."""
        before, self._standing = self._standing, f"{viewer.kyc_status} {viewer.kyc_tier}"
        return before != self._standing

    def _come_back_to(self, search: str) -> None:
        """Have the page of verification lead back to these choices."""
        self.verify_to = f"/verify?{urlencode({'next': f'/add-money{search}'})}"
        self.verify_action = verify_action()


def _has_moved(before: str, after: str) -> bool:
    return abs(Decimal(after) - Decimal(before)) * 100 >= Decimal(before) * WARNED_FROM_PERCENT


def _question(choices: Choices) -> str:
    """Return everything that a quote depends on, as one text."""
    asked = f"receive {choices.receive}" if choices.receive else f"{choices.amount}"
    return f"{asked} {choices.currency} {choices.country} {choices.asset} {choices.network}"
