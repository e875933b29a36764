"""One top-up from its quote to its delivery, in words: what was promised, what was paid, what arrived."""

from datetime import datetime
from decimal import Decimal

from onramp_app.config import get_settings
from onramp_app.debits.words import DebitStatus
from onramp_app.domain.amounts import asset_text, bill_text, exact_text, fiat_text, number_text, rate_text
from onramp_app.domain.environment import StepSource
from onramp_app.domain.ids import reference_of
from onramp_app.ledger.words import TransferKind
from onramp_app.mail import support
from onramp_app.pricing.names import asset_name, method_name, network_name
from onramp_app.pricing.quotes import QuoteView
from onramp_app.providers.status import StatusClass
from onramp_app.receipts.words import transfer_words
from onramp_app.texts import _, sentences
from onramp_app.top_ups.transitions import ENDED_UNPAID, OPEN, Act, Charged, Reason, TopUpStatus
from onramp_app.top_ups.views import StepView, TopUpView
from onramp_app.wallet.views import TransferView
from onramp_app.web.activity.shapes import Fact, Story, StoryStep
from onramp_app.web.words.amounts import moment_text, rate_words, split_decimals
from onramp_app.web.words.top_ups import (
    action_text,
    again_address,
    asked_text,
    can_age,
    difference_text,
    is_to_pay,
    known_paid_text,
    paid_text,
    seen_text,
    tag_of,
    words_of,
)
from onramp_app.web.words.transactions import debit_title, signed_text, top_up_title

_NOT_OVER = (*OPEN, TopUpStatus.IN_REVIEW)
# In these states, what happened and what comes next are the same sentence.
_SAID_ONCE = (TopUpStatus.PROCESSING, TopUpStatus.SETTLED)


def story_of_top_up(view: TopUpView, *, fresh_until: datetime | None = None) -> Story:
    """Return the whole story of a top-up.

    Args:
        fresh_until: the moment up to which the provider has been read; needed where `can_age`.
    """
    words = words_of(view)
    status = TopUpStatus(view.status)
    # Another asset may have arrived than the one that was asked for.
    has_arrived = view.booked_amount is not None
    if view.booked_amount is not None and view.booked_asset is not None:
        sign = "+" if status is TopUpStatus.SETTLED else ""
        head, unit = f"{sign}{number_text(view.booked_amount, view.booked_asset)}", view.booked_asset
    else:
        head, unit = paid_text(view), ""
    head, tail = split_decimals(head)
    again = _again_text(view)
    is_over_unpaid = status in ENDED_UNPAID or view.charged == Charged.UNKNOWN
    charged = words.charged if is_over_unpaid or not has_arrived else ""
    return Story(
        id=view.id,
        title=top_up_title(view.payment_method, view.status),
        tag=words.tag,
        tone=words.tone,
        head=head,
        tail=tail,
        unit=unit,
        at=moment_text(view.settled_at if has_arrived and view.settled_at else view.created_at),
        charged=charged,
        as_of=moment_text(fresh_until) if charged and can_age(view) else "",
        text=words.happened if status in _SAID_ONCE else sentences(words.happened, words.next),
        variance=_variance(view),
        next_top_up=view.id if status in _NOT_OVER else "",
        next_action=action_text(is_to_pay=is_to_pay(view)),
        again=again,
        again_address=again_address(view) if again else "",
        mail_address=support.about_top_up(
            view.id, provider_order=view.provider_order_id or "", state=words.title
        ),
        reference=reference_of(view.id),
        provider_order=view.provider_order_id or "",
        amounts=_amounts(view),
        facts=_facts(view),
        codes=_codes(view),
        steps=_steps(view),
    )


def _again_text(view: TopUpView) -> str:
    """Return the words that begin another top-up, or nothing while they could make somebody pay twice."""
    if view.status == TopUpStatus.SETTLED:
        return _("Add again")
    is_safe = view.status in ENDED_UNPAID and view.charged == Charged.NO
    return _("Start a new top-up") if is_safe else ""


def _amounts(view: TopUpView) -> list[Fact]:
    nothing = "\N{EM DASH}"
    quoted = asset_text(view.quote.expected_amount, view.asset) if view.quote else nothing
    arrived, asset = view.booked_amount, view.booked_asset
    return [
        Fact(_("Quoted"), quoted),
        Fact(_("You paid"), known_paid_text(view) or nothing),
        Fact(_("Delivered"), nothing if arrived is None or asset is None else asset_text(arrived, asset)),
    ]


def _variance(view: TopUpView) -> str:
    """Return how quoted, paid and delivered differ, as sentences; nothing before the delivery."""
    if view.received_amount is None:
        return ""
    said = []
    asked, paid = asked_text(view), known_paid_text(view)
    if paid is not None and paid != asked:
        said.append(
            _("You had asked for {asked} and paid {paid} on the provider's page.").format(
                asked=asked, paid=paid
            )
        )
    # Where another amount is held, `happened` says why.
    if view.quote is not None and view.status == TopUpStatus.SETTLED:
        difference = difference_text(view.quote.expected_amount, view.received_amount, asset=view.asset)
        said.append(difference or _("As much arrived as was quoted."))
    return sentences(*said)


def _facts(view: TopUpView) -> list[Fact]:
    quote = view.quote
    return [
        Fact(_("You asked for"), asked_text(view)),
        Fact(_("Payment method"), method_name(view.payment_method)),
        *(_quoted(quote, view) if quote else []),
        Fact(_("Asset"), f"{asset_name(view.asset)} ({view.asset})"),
        Fact(_("Network"), network_name(view.network)),
        *([Fact(_("Delivered, exactly"), exact_text(view.booked_amount, view.booked_asset))]
          if view.booked_amount is not None and view.booked_asset is not None else []),
    ]  # fmt: skip


def _quoted(quote: QuoteView, view: TopUpView) -> list[Fact]:
    fees = (
        (_("Provider fee"), quote.provider_fee),
        (_("Payment fee"), quote.gateway_fee),
        (_("Network fee"), quote.network_fee),
        (_("Our fee"), quote.client_fee),
    )
    currency = view.fiat_currency
    rate = rate_words(quote, currency=currency, asset=view.asset)
    return [
        Fact(_("Rate"), rate, note=_("as quoted")),
        *[Fact(label, bill_text(fee, currency)) for label, fee in fees if Decimal(fee)],
    ]


def _codes(view: TopUpView) -> list[Fact]:
    """Return the references that support asks for, to be copied as they stand."""
    codes = [
        Fact(_("Reference"), reference_of(view.id), is_code=True),
        Fact(_("Technical id"), view.id, is_code=True),
    ]
    for order in view.provider_orders:
        codes.append(Fact(_("Provider order"), order.order_id, is_code=True))
        if order.transaction_hash:
            codes.append(
                Fact(_("Transaction hash"), order.transaction_hash, is_code=True, address=order.page)
            )
        if order.seen:
            codes.append(Fact(_("Seen on the chain"), seen_text(order.seen), address=order.seen.page))
    return codes


def _steps(view: TopUpView) -> list[StoryStep]:
    last = len(view.timeline) - 1
    is_open = TopUpStatus(view.status) in _NOT_OVER
    return [
        StoryStep(
            _("Your late payment has arrived")
            if number and _is_late(view.timeline[number - 1], step)
            else _step_title(step, view),
            moment_text(step.at),
            _source_text(step.source),
            is_now=is_open and number == last,
        )
        for number, step in enumerate(view.timeline)
    ]


def _is_late(before: StepView, step: StepView) -> bool:
    """Return whether a step brings money to a top-up that had ended without a payment."""
    return before.status in ENDED_UNPAID and step.status in _SAID_ONCE


def _step_title(step: StepView, view: TopUpView) -> str:
    """Return the title of a step: what the provider said or an operator did, and what came of it."""
    event = step.status_class or step.act
    asset = view.asset
    titles: dict[str, str] = {
        StatusClass.OPENED: _("Payment page opened"),
        StatusClass.CLAIMED: _("You said that you paid"),
        StatusClass.PAID: _("Payment received"),
        StatusClass.BUYING: _("Buying {asset}").format(asset=asset),
        StatusClass.BOUGHT: _("{asset} bought").format(asset=asset),
        StatusClass.SENDING: _("{asset} sent").format(asset=asset),
        StatusClass.DELIVERED: _("{asset} arrived").format(asset=asset),
        StatusClass.TIMED_OUT: _("The provider stopped waiting for a payment"),
        StatusClass.ABANDONED: _("The payment was given up"),
        StatusClass.NAME_MISMATCH: _("Name mismatch"),
        StatusClass.AMOUNT_MISMATCH: _("Amount mismatch"),
        StatusClass.UNKNOWN: _("The provider reported an unknown status"),
        Act.RELEASED: _("Released by the operator of this wallet"),
        Act.RETURNED: _("Returned by the operator of this wallet"),
        Act.CLOSED: _("Closed by the operator of this wallet"),
        Act.REVERSED: _("Reversed by the operator of this wallet"),
        Act.REVERSAL_UNDONE: _("The reversal was undone"),
        Act.ATTRIBUTED: _("Found to be yours"),
        Act.CREDITED: _("Added by the operator of this wallet"),
    }
    if step.status_class == StatusClass.DELIVERED and step.status == TopUpStatus.PROCESSING:
        return _("{asset} sent, and arriving on the network").format(asset=asset)
    if step.hold == Reason.CHAIN_MISSING:
        titles[StatusClass.DELIVERED] = _("{asset} not found on the network").format(asset=asset)
    if event in titles:
        tag = tag_of(step.status)[0]
        ends = (TopUpStatus.SETTLED, TopUpStatus.IN_REVIEW, *ENDED_UNPAID)
        is_news = step.status in ends and event not in (StatusClass.OPENED, StatusClass.CLAIMED)
        return f"{titles[event]} · {tag}" if is_news else titles[event]
    own_titles = {
        TopUpStatus.CREATED: _("Top-up created"),
        TopUpStatus.CANCELED: _("Canceled by you"),
        TopUpStatus.EXPIRED: _("Expired"),
    }
    return own_titles.get(TopUpStatus(step.status), tag_of(step.status)[0])


def _source_text(source: str) -> str:
    texts = {
        StepSource.WEBHOOK_READ: _("Reported by the provider, and checked"),
        StepSource.POLL: _("We asked the provider"),
        StepSource.USER: _("You"),
        StepSource.OPERATOR: _("The operator of this wallet"),
        StepSource.CLOCK: _("Time passed"),
        StepSource.SYSTEM: _("This wallet"),
        StepSource.CHAIN: _("We checked the network"),
        StepSource.PROGRAM: get_settings().app_name,
    }
    return texts[StepSource(source)]


def story_of_transfer(view: TransferView) -> Story:
    """Return the story of a ledger transfer: what it was, why, and how much."""
    title, why = transfer_words(view.kind)
    title = debit_title(view.kind, view.description) or title
    tag, tone, why = _of_hold(view) if view.kind == TransferKind.DEBIT_HOLD else (_("Done"), "", why)
    amount, _space, asset = signed_text(view.amount, view.asset).rpartition(" ")
    head, tail = split_decimals(amount)
    return Story(
        id=view.id,
        title=title,
        tag=tag,
        tone=tone,
        head=head,
        tail=tail,
        unit=asset,
        at=moment_text(view.created_at),
        text=why,
        top_up_id=view.top_up_id or "",
        mail_address=support.about_transfer(view.id, title=title, top_up_id=view.top_up_id or ""),
        reference=reference_of(view.id),
        facts=[
            Fact(_("Asset"), f"{asset_name(view.asset)} ({view.asset})"),
            Fact(_("Exactly"), exact_text(view.amount, view.asset)),
            *_price_facts(view),
        ],
        codes=[
            Fact(_("Reference"), reference_of(view.id), is_code=True),
            Fact(_("Technical id"), view.id, is_code=True),
        ],
    )


def _of_hold(view: TransferView) -> tuple[str, str, str]:
    """Return tag, tone and sentence for an amount that was set aside for a purchase."""
    match view.debit_status:
        case DebitStatus.HELD:
            why = _("This amount is set aside for a purchase. What isn't used comes back to your balance.")
            return _("Reserved"), "now", why
        case DebitStatus.RELEASED:
            return _("Released"), "", _("Nothing was taken. The amount is in your balance again.")
        case _:
            return _("Done"), "", _("What was spent has its own lines in your activity.")


def _price_facts(view: TransferView) -> list[Fact]:
    if view.price is None:
        return []
    amount, currency, rate = view.price
    return [
        Fact(_("Price"), fiat_text(amount, currency)),
        Fact(_("Rate"), f"1\N{NO-BREAK SPACE}{view.asset} = {rate_text(rate, currency)}"),
    ]
