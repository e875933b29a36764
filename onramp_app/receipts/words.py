"""What a receipt says, in the current language: on paper, in print, and where its code is checked.

A new kind of ledger transfer needs a row in `transfer_words`, and nothing else.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from babel.dates import format_datetime

from onramp_app.answers.receipts import receipt_text, receipt_title
from onramp_app.answers.situation import Charged, Situation, charged_of
from onramp_app.config import get_settings
from onramp_app.domain.amounts import asset_text, bill_text, exact_text, fiat_text, rate_text
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import reference_of
from onramp_app.ledger.words import TransferKind
from onramp_app.pricing.names import asset_name, method_name, network_name
from onramp_app.receipts.facts import Amount, Holder, ReceiptFacts, TopUpFacts
from onramp_app.texts import _, current_language
from onramp_app.top_ups.transitions import TopUpStatus

MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a receipt: a label and its value. `is_code`: to be copied as it stands."""

    label: str
    value: str
    is_code: bool = False


def title_of(facts: ReceiptFacts) -> str:
    """Return the title: what kind of receipt this is."""
    if facts.top_up is None:
        return transfer_words(facts.kind)[0]
    return receipt_title(_situation(facts.top_up))


def statement_of(facts: ReceiptFacts) -> str:
    """Return the sentence that answers whether the payment was taken, and what became of it."""
    if facts.top_up is None:
        return transfer_words(facts.kind)[1]
    return receipt_text(_situation(facts.top_up))


def _situation(top_up: TopUpFacts) -> Situation:
    return Situation(top_up.status, charged=top_up.charged, reason=top_up.reason)


def transfer_words(kind: str) -> tuple[str, str]:
    """Return the title of a ledger transfer, and the sentence that says why it happened."""
    texts = {
        TransferKind.REVERSE: (
            _("Top-up reversed"),
            _("The payment was reversed, so what it had brought was taken out of the balance."),
        ),
        TransferKind.UNDO_REVERSE: (
            _("Returned to you"),
            _("The reversal of this top-up was undone, so it's in the balance again."),
        ),
        TransferKind.RETURN: (_("Sent back"), _("What was held goes back to where it came from.")),
        TransferKind.RECOVER: (
            _("Used for what you owed"),
            _("This was owed from an earlier reversal. It was kept from money that arrived."),
        ),
        TransferKind.MAKE_GOOD: (
            _("Corrected for you"),
            _("Less had arrived than it should have. The operator of this wallet added the rest."),
        ),
        TransferKind.WRITE_OFF: (
            _("Corrected for you"),
            _("This is no longer owed. The operator of this wallet took it over."),
        ),
        TransferKind.DEBIT: (_("Spent at {name}"), _("This was paid from the balance.")),
        TransferKind.DEBIT_CAPTURE: (
            _("Spent at {name}"),
            _("This was paid from the amount that was reserved for it."),
        ),
        TransferKind.DEBIT_HOLD: (
            _("Reserved by {name}"),
            _("This amount was set aside for a purchase. It isn't a payment."),
        ),
        TransferKind.DEBIT_REVERSE: (_("Refund from {name}"), _("This is in the balance again.")),
    }
    title, why = texts.get(TransferKind(kind), (_("Corrected for you"), ""))
    return title.format(name=get_settings().app_name), why


def head_of(facts: ReceiptFacts) -> str:
    """Return the large amount: what was booked or, while nothing was, what was paid or asked for."""
    if facts.top_up is None and facts.amount is not None:
        sign = "+" if Decimal(facts.amount.number) > 0 else ""
        return f"{sign}{_asset(facts.amount)}"
    if facts.amount is not None:
        return _asset(facts.amount)
    return _fiat(facts.top_up.paid or facts.top_up.asked) if facts.top_up is not None else ""


def paper_lines(facts: ReceiptFacts) -> tuple[Line, ...]:
    """Return all lines of the receipt on paper."""
    top_up = facts.top_up
    lines = [
        Line(_("Account"), holder_text(facts.holder)),
        *_money(facts),
        Line(_("For"), plain_text(facts.description)),
        Line(_("Price"), _fiat(facts.price) if facts.price else ""),
        Line(_("Rate"), _rate(facts) if facts.price else ""),
        *(_terms(top_up, asset=facts.asset) if top_up is not None else ()),
        *_times(facts),
        Line(_("Reference"), reference_of(facts.id), is_code=True),
        Line(_("Top-up"), reference_of(facts.belongs_to) if facts.belongs_to else "", is_code=True),
        *_orders(top_up),
        Line(_("Technical id"), facts.id, is_code=True),
    ]
    return tuple(line for line in lines if line.value)


def checked_lines(facts: ReceiptFacts, *, holder: str, is_current: bool) -> tuple[Line, ...]:
    """Return the lines that the public check shows: all of them stand on the paper, too.

    Args:
        facts: what the receipt states today.
        holder: beginnings of the holder's name and address.
        is_current: otherwise amounts are left out, because the paper has others.
    """
    created, *later = _times(facts)
    lines = [
        Line(_("Account"), holder),
        *(_money(facts) if is_current else ()),
        created,
        *(later if is_current else ()),
        Line(_("Reference"), reference_of(facts.id), is_code=True),
        *(_orders(facts.top_up) if is_current else ()),
    ]
    return tuple(line for line in lines if line.value)


def holder_text(holder: Holder) -> str:
    """Return name and address of the account's holder, as they stand on paper."""
    name = plain_text(holder.name)
    return ", ".join(part for part in (name, holder.email) if part)


def plain_text(text: str) -> str:
    """Return one line of what somebody called themselves, at most `MAX_NAME` letters.

    Without control and formatting characters, which could hide letters, turn their direction, or pile
    up marks over the lines around them (Unicode Technical Report 36).
    """
    kept: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind.startswith("M") else 0
        if kind[0] == "C" or marks > 2:
            continue
        kept.append(" " if kind[0] == "Z" else letter)
    return " ".join("".join(kept).split())[:MAX_NAME]


def notices() -> tuple[str, ...]:
    """Return what stands below every receipt: what the check shows, and whom to ask."""
    address = get_settings().support_email
    ask = _("Questions? Write to {address} and quote the reference.")
    return (
        _("Anyone with this receipt can check it there. The check shows nothing that isn't printed here."),
        *((ask.format(address=address),) if address else ()),
    )


def simulation_notice(facts: ReceiptFacts) -> str:
    """Return the words that stand on a receipt about money that is not real, or ""."""
    return "" if facts.environment == Environment.LIVE else _("Simulated money. Nothing here is real.")


def _money(facts: ReceiptFacts) -> tuple[Line, ...]:
    top_up = facts.top_up
    if top_up is None:
        return (Line(_("Exactly"), _exact(facts.amount)),)
    return (
        Line(_("Asked for"), _fiat(top_up.asked)),
        Line(_("Paid"), _fiat(top_up.paid) if top_up.paid else _("Nothing") if _is_unpaid(top_up) else ""),
        Line(_("Received"), _exact(facts.amount)),
    )


def _is_unpaid(top_up: TopUpFacts) -> bool:
    # Of one that was closed by an operator nobody can say it: the money may have come back.
    return charged_of(_situation(top_up)) is Charged.NO and top_up.status != TopUpStatus.FAILED


def _terms(top_up: TopUpFacts, *, asset: str) -> tuple[Line, ...]:
    quote, currency = top_up.quote, top_up.asked.unit
    lines = [
        Line(_("Payment method"), method_name(top_up.method)),
        Line(_("Asset and network"), f"{asset_name(asset)} ({asset}), {network_name(top_up.network)}"),
    ]
    if quote is not None:
        rate = f"1\N{NO-BREAK SPACE}{asset} = {rate_text(quote.rate, currency)}"
        lines.append(Line(_("Rate, as quoted"), rate))
        fees = (
            (_("Provider fee, as quoted"), quote.provider_fee),
            (_("Payment fee, as quoted"), quote.gateway_fee),
            (_("Network fee, as quoted"), quote.network_fee),
            (_("Our fee, as quoted"), quote.client_fee),
        )
        lines += [Line(label, bill_text(fee, currency)) for label, fee in fees if Decimal(fee)]
    return tuple(lines)


def _times(facts: ReceiptFacts) -> tuple[Line, ...]:
    if facts.top_up is None:
        return (Line(_("Booked"), moment_text(facts.created_at)),)
    settled = Line(_("Booked"), moment_text(facts.settled_at)) if facts.settled_at else None
    return (Line(_("Started"), moment_text(facts.created_at)), *((settled,) if settled else ()))


def _orders(top_up: TopUpFacts | None) -> tuple[Line, ...]:
    if top_up is None:
        return ()
    return (
        Line(_("Provider order"), top_up.provider_order, is_code=True),
        Line(_("Transaction hash"), top_up.transaction_hash, is_code=True),
    )


def moment_text(at: datetime) -> str:
    """Return a moment as `30 November 2026 at 11:07:42 UTC`: a receipt is read in any zone."""
    language = current_language()
    # A language alone means a country to CLDR, and in English one whose days come after their months.
    locale = {"en": "en_GB"}.get(language, language)
    text: str = format_datetime(at.astimezone(UTC), "long", tzinfo=UTC, locale=locale)
    return text


def _fiat(amount: Amount) -> str:
    # The sign alone may stand for several currencies.
    return f"{fiat_text(amount.number, amount.unit)} {amount.unit}"


def _rate(facts: ReceiptFacts) -> str:
    currency = facts.price.unit if facts.price else ""
    return f"1\N{NO-BREAK SPACE}{facts.asset} = {rate_text(facts.rate, currency)}"


def _asset(amount: Amount) -> str:
    return asset_text(amount.number, amount.unit)


def _exact(amount: Amount | None) -> str:
    return "" if amount is None else exact_text(amount.number, amount.unit)
