"""What receipts say in every state: that the payment was taken, that it was not, or that it is unknown."""

import itertools
import re

import pytest
from reportlab.pdfgen.canvas import Canvas

from onramp_app.answers.situation import Situation, charged_of
from onramp_app.ledger.words import LISTED
from onramp_app.receipts import paper
from onramp_app.receipts.check import _hidden
from onramp_app.receipts.facts import Amount, Holder, ReceiptFacts
from onramp_app.receipts.words import checked_lines, paper_lines, statement_of, title_of, transfer_words
from onramp_app.texts import language_of_texts
from onramp_app.top_ups.transitions import Charged, Reason, State, TopUpStatus
from tests.made_up_language import LANGUAGE, NAMES, Framing, make_up, untranslated
from tests.receipts.made import top_up_facts


def _states() -> list[State]:
    found = []
    for status, reason, charged, has_entry in itertools.product(
        TopUpStatus, (None, *Reason), Charged, (False, True)
    ):
        try:
            found.append(State(status, reason, charged, has_entry=has_entry))
        except ValueError:
            continue
    return found


def _facts(state: State):
    return top_up_facts(
        status=state.status.value,
        reason=state.reason and state.reason.value,
        charged=state.charged.value,
        amount=Amount("11.25", "USDT") if state.has_entry else None,
        paid=Amount("1000", "INR") if state.charged is Charged.YES else None,
    )


def test_no_receipt_claims_what_is_not_known() -> None:
    for state in _states():
        facts = _facts(state)
        said = f"{title_of(facts)}. {statement_of(facts)}"
        is_said = {
            Charged.YES: bool(re.search(r"payment was received|Payment received", said)),
            Charged.NO: bool(re.search(r"not taken|Not paid|No payment has been taken", said)),
            Charged.UNKNOWN: "don't know yet" in said,
        }
        truth = charged_of(Situation(state.status, state.charged, state.reason))
        assert [charged for charged, said_so in is_said.items() if said_so] == [truth], (state, said)


def test_a_failed_payment_says_that_it_was_not_taken() -> None:
    for status in ("canceled", "expired"):
        facts = top_up_facts(status=status, charged="no", amount=None, paid=None)
        assert statement_of(facts) == "This payment wasn't taken."
        assert ("Paid", "Nothing") in [(line.label, line.value) for line in paper_lines(facts)]


@pytest.mark.parametrize("kind", sorted(LISTED))
def test_every_kind_of_transfer_has_words_of_its_own(kind: str) -> None:
    title, why = transfer_words(kind)
    assert title
    assert why, "a listed kind needs a row in transfer_words"


def test_the_check_shows_nothing_that_the_paper_does_not() -> None:
    for state in _states():
        facts = _facts(state)
        printed = {(line.label, line.value) for line in paper_lines(facts)}
        for is_current in (True, False):
            shown = checked_lines(facts, holder="", is_current=is_current)
            assert {(line.label, line.value) for line in shown} <= printed
    labels = {line.label for line in checked_lines(top_up_facts(), holder="", is_current=False)}
    assert labels == {"Started", "Reference"}


def test_of_the_holder_the_check_shows_beginnings_only() -> None:
    assert _hidden(Holder("Asha King", "asha.king@example.org")) == "A••• K•••, a•••@e•••"
    assert _hidden(Holder("", "asha@example.org")) == "a•••@e•••"
    assert _hidden(Holder("\u202e\x00", "")) == ""
    assert len(_hidden(Holder("a b c d e f", "x@y.z"))) < 40


@pytest.mark.parametrize("facts", [top_up_facts(), top_up_facts(environment="simulator", status="canceled")])
def test_what_is_drawn_is_in_the_language_of_the_profile(
    facts: ReceiptFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    draw = Canvas.drawString

    def spy(canvas: Canvas, x: float, y: float, text: str) -> None:
        drawn.append(text)
        draw(canvas, x, y, text)

    monkeypatch.setattr(Canvas, "drawString", spy)
    make_up(monkeypatch, Framing("«»"))  # the font has these characters
    with language_of_texts(LANGUAGE):
        paper.draw(facts)
    assert sum("«" in one for one in drawn) > 8
    # A long text is drawn on several lines.
    rest = untranslated(" ".join(drawn).replace("«", "⟦").replace("»", "⟧"))
    plain = {word for word in re.sub(r"https?:\S+ \S+", "", rest).replace(",", " ").split() if word.isalpha()}
    assert plain - {"Asha", "King", "INR"} <= {*NAMES, "UTC"}
