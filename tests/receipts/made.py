"""Facts of receipts, for tests that need no database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from onramp_app.pricing.quotes import QuoteView
from onramp_app.receipts.facts import Amount, Holder, ReceiptFacts, TopUpFacts

AT = datetime(2026, 11, 30, 11, 7, 42, tzinfo=UTC)
QUOTE = QuoteView("88.4127", "1000", "11.15", "5", "0", "8.84", "0", AT)


def top_up_facts(*, holder: Holder | None = None, **changes: Any) -> ReceiptFacts:
    """Return the facts of a settled top-up of ₹1,000; `changes` apply to its `TopUpFacts` or the rest."""
    about = TopUpFacts(
        status="settled",
        reason=None,
        charged="yes",
        asked=Amount("1000", "INR"),
        paid=Amount("1000", "INR"),
        method="UPI",
        network="matic20",
        quote=QUOTE,
        provider_order="18237",
        transaction_hash=f"0x{'ab' * 32}",
    )
    own = {name: changes.pop(name) for name in list(changes) if hasattr(about, name)}
    facts = ReceiptFacts(
        id=f"0194{'0' * 20}9f3c21ab",
        environment="live",
        kind="top_up",
        asset="USDT",
        amount=Amount("11.25", "USDT"),
        created_at=AT,
        settled_at=AT,
        top_up=replace(about, **own),
        belongs_to="",
        holder=holder or Holder("Asha King", "asha@example.org"),
    )
    return replace(facts, **changes)


def transfer_facts(kind: str, number: str = "-11.25") -> ReceiptFacts:
    """Return the facts of a ledger transfer of a kind."""
    changes = {"kind": kind, "amount": Amount(number, "USDT"), "top_up": None}
    return replace(top_up_facts(), **changes)
