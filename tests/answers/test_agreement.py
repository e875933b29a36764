"""No two sentences about one top-up disagree on whether money left, or on whether to pay.

Every status with every reason and every answer about the charge is shown on every surface, even combinations
that no sequence of events leads to. A special catalogue marks each text, so that shown texts are found, and
`claims.py` has to list what each text claims.
"""

import gettext
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from onramp_app import texts
from onramp_app.answers import top_ups as answers
from onramp_app.mail.letters import letter_of
from onramp_app.mail.words import MailKind
from onramp_app.pricing.quotes import QuoteView
from onramp_app.receipts.facts import Amount, Holder, ReceiptFacts, TopUpFacts
from onramp_app.receipts.words import paper_lines, statement_of, title_of
from onramp_app.top_ups.transitions import (
    ENDED_UNPAID,
    HOLD_REASONS,
    NO_ENTRY_REASONS,
    UNPAID,
    Charged,
    Reason,
    TopUpStatus,
)
from onramp_app.top_ups.views import ProviderOrderView, TopUpView
from onramp_app.wallet.views import TransactionView
from onramp_app.web.activity.story_words import story_of_top_up
from onramp_app.web.add_money.words import open_title, open_top_up_of
from onramp_app.web.home.cards import card_of
from onramp_app.web.top_up import offer_page, page
from onramp_app.web.top_up.words import page_of
from onramp_app.web.words.transactions import row_of
from tests.answers.claims import CLAIMS, Claim

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUOTE = QuoteView("88.14", "10000", "113.09", "25", "0", "7.08", "0", NOW)
NOT_OVER = (*UNPAID, TopUpStatus.PROCESSING, TopUpStatus.IN_REVIEW)
PROGRESS = {
    TopUpStatus.CREATED: (None, "opened", "unknown"),
    TopUpStatus.AWAITING_PAYMENT: ("opened", "claimed", "unknown"),
    TopUpStatus.PROCESSING: ("paid", "bought", "sending", "delivered"),
}
MAILS = {
    TopUpStatus.SETTLED: (MailKind.TOP_UP_SETTLED, MailKind.TOP_UP_RELEASED),
    TopUpStatus.IN_REVIEW: (MailKind.TOP_UP_IN_REVIEW,),
    TopUpStatus.FAILED: (MailKind.TOP_UP_FAILED,),
    TopUpStatus.REVERSED: (MailKind.TOP_UP_REVERSED,),
}


class Marking(gettext.NullTranslations):
    """Puts a mark before each text, so that it is found wherever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, int] = {}

    def gettext(self, message: str) -> str:
        return f"@{self.numbers.setdefault(message, len(self.numbers))}@{message}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)

    def found_in(self, shown: object) -> set[str]:
        ids = list(self.numbers)
        return {ids[int(number)] for number in re.findall(r"@(\d+)@", str(shown))}


@pytest.fixture
def marking(monkeypatch) -> Marking:
    catalogue = Marking()
    monkeypatch.setattr(texts, "_catalogue", lambda _language: catalogue)
    return catalogue


def _situations() -> Iterator[TopUpView]:
    for status, reason, charged, is_offered in itertools.product(
        TopUpStatus, (None, *Reason), Charged, (True, False)
    ):
        if is_offered and status not in UNPAID:
            continue
        for progress in PROGRESS.get(status, (None,))[: 1 if reason else None]:
            yield _view(status, reason, charged, progress=progress, is_offered=is_offered)


def _view(
    status: TopUpStatus,
    reason: Reason | None,
    charged: Charged,
    *,
    progress: str | None = None,
    is_offered: bool = False,
) -> TopUpView:
    has_entry = status in (TopUpStatus.SETTLED, TopUpStatus.REVERSED) or (
        status is TopUpStatus.IN_REVIEW and reason in HOLD_REASONS
    )
    amount = "113.09" if has_entry else None
    return TopUpView(
        id="01a209145fdf7a58895789bb9f3c21ab",
        status=status.value,
        reason=reason.value if reason else None,
        charged=charged.value,
        fiat_amount="10000",
        fiat_currency="INR",
        asset="USDT",
        network="matic20",
        payment_method="UPI",
        quote=QUOTE,
        received_amount=amount,
        provider_order_id="4711" if progress else None,
        provider_orders=(ProviderOrderView("4711", progress, amount, None, "10000", "INR"),),
        transaction_hash=None,
        widget_url="https://widget.example/" if is_offered and charged is Charged.NO else None,
        created_at=NOW,
        updated_at=NOW,
        settled_at=NOW if status is TopUpStatus.SETTLED else None,
        timeline=(),
        rank=0,
        has_entry=has_entry,
        booked_amount=amount,
        booked_asset="USDT" if amount else None,
        recovered_amount=None,
        linked_to=None,
        linked=(),
    )


def _listed(view: TopUpView) -> TransactionView:
    return TransactionView(
        view.id, "top_up", view.status, view.fiat_amount, view.fiat_currency, view.asset, view.network,
        view.booked_amount, NOW, view.settled_at, "onramp", view.provider_order_id, None, "UPI", view.charged,
    )  # fmt: skip


def _receipt(view: TopUpView) -> ReceiptFacts:
    top_up = TopUpFacts(
        view.status, view.reason, view.charged, Amount("10000", "INR"), None, "UPI", "matic20", QUOTE,
        "", "",
    )  # fmt: skip
    return ReceiptFacts(
        view.id, "live", "top_up", view.asset, None, NOW, view.settled_at, top_up, "", Holder("", "")
    )


def _frames() -> dict[str, str]:
    """Return the fixed texts of a top-up's page for each of its layouts, whatever the top-up."""
    closed = str(page.closed().render())
    return {
        "offered": str(offer_page.offered().render()),
        "moving": str(page.moving().render()),
        "settled": str(page.settled().render()),
        "ended": closed,
        "review": closed,
        "reversed": closed,
    }


def _shown(view: TopUpView, frames: dict[str, str]) -> dict[str, object]:
    """Return everything that is shown of a top-up, by surface."""
    facts = _receipt(view)
    top_up_page = page_of(view, None, usual_minutes=4, fresh_until=NOW)
    shown: dict[str, object] = {
        "page": top_up_page,
        "page's frame": frames[top_up_page.kind],
        "activity": row_of(_listed(view)),
        "details": story_of_top_up(view, fresh_until=NOW),
        "receipt": [title_of(facts), statement_of(facts), paper_lines(facts)],
    }
    if view.status in NOT_OVER:
        shown["home"] = card_of(view, usual_minutes=4)
        shown["wizard"] = open_top_up_of(view)
        shown["wizard's title"] = [open_title([view], reading=known) for known in ("current", "away")]
    details = {
        "top_up_id": view.id,
        "fiat_amount": "10000",
        "fiat_currency": "INR",
        "charged": view.charged,
        "amount": "113.09",
        "asset": "USDT",
        **({"reason": view.reason} if view.reason else {}),
    }
    for kind in MAILS.get(TopUpStatus(view.status), ()):
        shown[kind] = letter_of(kind, details)
    return shown


@dataclass(frozen=True)
class Truth:
    """What docs/money.md allows texts to say about a top-up."""

    charged: str
    may_pay: bool
    may_start: bool

    def denies(self, claim: Claim) -> bool:
        return (
            claim.charged not in (None, self.charged)
            or claim.pay not in (None, self.may_pay)
            or claim.start not in (None, self.may_start)
        )


def _truth(view: TopUpView) -> Truth:
    status, reason = TopUpStatus(view.status), view.reason
    has_delivery = status is TopUpStatus.IN_REVIEW and reason in {
        *HOLD_REASONS,
        *NO_ENTRY_REASONS,
        "returned",
    }
    if status in (TopUpStatus.PROCESSING, TopUpStatus.SETTLED, TopUpStatus.REVERSED) or has_delivery:
        charged = "yes"
    elif status is TopUpStatus.FAILED and view.charged != Charged.UNKNOWN:
        charged = "no"
    else:
        charged = view.charged
    is_unpaid = charged == "no" and status in (*UNPAID, *ENDED_UNPAID)
    return Truth(
        charged,
        may_pay=is_unpaid and status in UNPAID and view.widget_url is not None,
        # Once the money was received, more can be added; while nobody knows, one might pay twice.
        may_start=charged != "unknown" and (is_unpaid or charged == "yes"),
    )


def _faults(view: TopUpView, frames: dict[str, str], marking: Marking) -> list[str]:
    truth, said = _truth(view), []
    shown = _shown(view, frames)
    for surface, what in shown.items():
        for text in sorted(marking.found_in(what)):
            if surface == "page's frame" and text in page_only_if(shown["page"]):
                continue
            claim = CLAIMS.get(text)
            if claim is None:
                said.append(f"unclassified on {surface}: {text}")
            elif truth.denies(claim):
                said.append(f"{view.status}/{view.reason}/{view.charged}: {surface} says: {text}")
    return said


def page_only_if(top_up_page) -> set[str]:
    """Return the fixed texts whose condition this page does not meet."""
    return set() if top_up_page.can_start_again else {"Start a new top-up"}


def _all_faults(marking: Marking, status: str | None = None) -> list[str]:
    frames = _frames()
    views = (view for view in _situations() if status in (None, view.status))
    return [fault for view in views for fault in _faults(view, frames, marking)]


def test_no_two_surfaces_disagree_on_the_charge_or_on_paying(marking):
    assert sorted(set(_all_faults(marking))) == []


def test_every_state_is_among_those_that_are_shown():
    shown = {(view.status, view.reason, view.charged) for view in _situations()}
    assert len(shown) == len(TopUpStatus) * (len(Reason) + 1) * len(Charged)


def test_a_payment_that_is_sought_stops_every_other_one_from_being_asked_for(marking):
    """A page with two top-ups must not say "don't pay again yet" above "pay on the provider's page"."""
    pay = _view(TopUpStatus.CREATED, None, Charged.NO, is_offered=True)
    for sought in _situations():
        if sought.status not in NOT_OVER or _truth(sought).charged != "unknown":
            continue
        wizard = [open_title([sought, pay], reading="current")]
        wizard += [open_top_up_of(one, is_another_sought=True) for one in (sought, pay)]
        home = [card_of(one, usual_minutes=4, is_another_sought=True) for one in (sought, pay)]
        for page_shown in (wizard, home):
            claims = [CLAIMS[text] for text in marking.found_in(page_shown)]
            assert {claim.pay for claim in claims} <= {None, False}, page_shown
            assert {claim.start for claim in claims} <= {None, False}, page_shown


@pytest.mark.parametrize(
    ("status", "planted", "expected"),
    [
        (
            "created",
            (
                "_next_while_unknown",
                "Pay on the provider's page. We'll detect your payment automatically.",
            ),
            "created/None/unknown: page says: Pay on the provider's page.",
        ),
        (
            "in_review",
            ("review_text", "The amount received doesn't match this top-up."),
            "in_review/amount_mismatch/unknown: details says: The amount received",
        ),
        (
            "canceled",
            ("_canceled_text", "Nothing is known of this sentence."),
            "unclassified on details: Nothing is known",
        ),
    ],
)
def test_a_contradiction_that_is_planted_is_found(marking, monkeypatch, status, planted, expected):
    sentence, old = planted
    monkeypatch.setattr(answers, sentence, lambda *_: texts._(old))
    faults = _all_faults(marking, status)
    assert any(fault.startswith(expected) for fault in faults), faults[:5]
