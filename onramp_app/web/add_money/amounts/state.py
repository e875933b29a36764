"""The part of the wizard's state that holds its two amounts: what is paid, and what is received.

A person types one of them, and the other one follows from the quote. For each field the state has the text
as the person typed it (`…_heard`), and the amount in their format (`…_written`), which the page puts into the
field once they leave it.
"""

from dataclasses import replace

import reflex as rx
from reflex.event import EventSpec

from onramp_app.domain.amounts import fiat_number_text, number_text, shown_decimals
from onramp_app.domain.money import decimal_text
from onramp_app.texts import current_language
from onramp_app.web.add_money.amounts.signs import own_signs, plain_sign
from onramp_app.web.add_money.amounts.typed import MAX_TYPED, read_amount
from onramp_app.web.add_money.amounts.words import amount_missing_text, reading_text, zero_text
from onramp_app.web.add_money.choices import Choices
from onramp_app.web.add_money.shapes import OfferShown
from onramp_app.web.tabs.session import PrivateState, to_login

_TYPING_MS = 350


class TypesAmounts(PrivateState, mixin=True):
    """The fields of the first step. `receives`: the person typed what they receive, and the total follows."""

    offer: OfferShown = OfferShown()
    amount: str = ""  # What is paid, as a decimal string; empty where it is not known.
    amount_heard: str = ""
    amount_written: str = ""
    amount_problem: str = ""
    receives: bool = False
    receive_heard: str = ""
    receive_written: str = ""
    receive_problem: str = ""
    writes: int = 0  # Counts up to have both fields overwritten, whatever they hold.

    _choices: Choices = Choices()
    _receive_before: str = ""  # The text before, which a page may still show that was not updated yet.

    def _choose(self, choices: Choices, *, writes: bool = False) -> None:
        """Apply choices. `writes`: both amounts go into their fields too, because nobody typed them there."""
        raise NotImplementedError

    def _ask(self) -> EventSpec:
        """Return the event that reads the offer and a quote."""
        raise NotImplementedError

    def _forget_quote(self) -> None:
        """Drop the quote that is shown."""
        raise NotImplementedError

    @rx.event(debounce=_TYPING_MS)
    async def typed(self, text: str) -> EventSpec | None:
        """Apply what was typed as the amount paid."""
        if await self._viewer() is None:
            return to_login(self)
        return self._type_amount(text)

    @rx.event(debounce=_TYPING_MS)
    async def typed_receive(self, text: str) -> EventSpec | None:
        """Apply what was typed as the amount received: the amount paid follows."""
        if await self._viewer() is None:
            return to_login(self)
        return self._type_receive(text)

    @rx.event
    async def choose_quick(self, amount: str) -> EventSpec | None:
        """Choose one of the round amounts."""
        if await self._viewer() is None:
            return to_login(self)
        if any(quick.amount == amount for quick in self.offer.quick):
            self._choose(replace(self._choices, amount=amount, receive=""), writes=True)
            return self._ask()
        return None

    def _type_amount(self, text: object) -> EventSpec | None:
        said_before, receive_problem = self.amount_problem, self.receive_problem
        amount, self.amount_problem = self._read_paid(text)
        self.receive_problem = ""
        if amount and amount == self._choices.amount and not self._choices.receive:
            self.amount_problem, self.receive_problem = said_before, receive_problem
            self.amount_heard = _kept(text)
            return None
        self._choose(replace(self._choices, amount=amount, receive=""))
        self.amount_heard = _kept(text)
        return self._ask_about(amount)

    def _type_receive(self, text: object) -> EventSpec | None:
        said_before = self.receive_problem
        receive, self.receive_problem = self._read_received(text)
        if receive and receive == self._choices.receive:
            self.receive_problem, self.receive_heard = said_before, _kept(text)
            return None
        self.amount_problem = ""
        # The search for the new total begins at the last one.
        self._choose(replace(self._choices, amount=self._choices.amount if receive else "", receive=receive))
        self.receive_heard = _kept(text)
        return self._ask_about(receive)

    def _ask_about(self, amount: str) -> EventSpec | None:
        if amount:
            return self._ask()
        self._forget_quote()
        return None

    def _read_paid(self, text: object) -> tuple[str, str]:
        """Return the typed amount as a decimal string, and its problem; each is empty where there is none."""
        offer = self.offer
        signs = own_signs(offer.currency, offer.country, current_language())
        return _read(text, decimals=offer.decimals, signs=signs, unit=offer.currency, is_paid=True)

    def _read_received(self, text: object) -> tuple[str, str]:
        asset = self._choices.asset
        signs = frozenset((plain_sign(asset),))
        return _read(text, decimals=shown_decimals(asset), signs=signs, unit=asset, is_paid=False)

    def _take_fields(self, paid: object, received: object) -> tuple[bool, EventSpec | None]:
        """Apply the fields of a submitted form, because the last keystrokes may not have arrived yet.

        Returns whether the total is known, so that the wizard can go on, and the event to send if not.
        """
        if received not in (self.receive_heard, self.receive_written, self._receive_before):
            return False, self._type_receive(received)
        if self.receives and paid in (self.amount_heard, self.amount_written):
            return bool(self.amount and self.amount_written), None
        said_before = self.amount_problem
        amount, self.amount_problem = self._read_paid(paid)
        if not amount:
            self.amount_problem = self.amount_problem or amount_missing_text()
            return False, None
        if amount == self._choices.amount and not self.receives:
            self.amount_problem = said_before
            return True, None
        self._choose(replace(self._choices, amount=amount, receive=""))
        return True, None

    def _write_amounts(self, choices: Choices, *, writes: bool) -> None:
        """Make the fields agree with the choices."""
        self.amount, self.receives = choices.amount or "", bool(choices.receive)
        written = fiat_number_text(self.amount, self.offer.currency) if self.amount else ""
        self._write("amount", written)
        if self.receives:
            self._write("receive", number_text(choices.receive, choices.asset))
        if writes:
            self.amount_heard = self.receive_heard = ""
            self.writes += 1

    def _write_received(self, text: str) -> None:
        """Show what arrives, unless the person typed that themselves."""
        if not self.receives:
            self._write("receive", text)

    def _write(self, field: str, text: str) -> None:
        before = getattr(self, f"{field}_written")
        if before == text:
            return
        if field == "receive":
            self._receive_before = before
        setattr(self, f"{field}_written", text)
        setattr(self, f"{field}_heard", "")


def _read(text: object, *, decimals: int, signs: frozenset[str], unit: str, is_paid: bool) -> tuple[str, str]:
    try:
        amount = read_amount(text if isinstance(text, str) else "?", decimals=decimals, signs=signs)
    except ValueError as error:
        return "", reading_text(error, unit, decimals, is_paid=is_paid)
    if amount is None:
        return "", ""
    return (decimal_text(amount), "") if amount else ("", zero_text())


def _kept(text: object) -> str:
    """Return a typed text as the state keeps it: empty where it is too long to be an amount."""
    return text if isinstance(text, str) and len(text) <= MAX_TYPED else ""
