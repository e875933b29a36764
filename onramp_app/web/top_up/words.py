"""Composes the page of one top-up from its view: the kind of page, the text, the amounts."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from onramp_app.answers.situation import Pay, pay_of
from onramp_app.config import get_settings
from onramp_app.domain.amounts import asset_text, exact_text, fiat_text, number_text
from onramp_app.domain.ids import reference_of
from onramp_app.mail import support
from onramp_app.pricing.names import method_text
from onramp_app.pricing.quotes import is_much_less
from onramp_app.texts import _
from onramp_app.top_ups.transitions import UNPAID, Charged, TopUpStatus
from onramp_app.top_ups.views import LinkedView, TopUpView
from onramp_app.top_ups.widget_frame import framed_url
from onramp_app.wallet.views import BalancesView
from onramp_app.web.parts.qr_code import qr_code
from onramp_app.web.top_up.shapes import AmountFact, Related, TopUpPage
from onramp_app.web.top_up.timeline import steps_of
from onramp_app.web.words.amounts import moment_text, split_decimals
from onramp_app.web.words.durations import usual_text
from onramp_app.web.words.top_ups import (
    again_address,
    asked_text,
    best_order,
    can_age,
    difference_text,
    paid_text,
    seen_text,
    situation_of,
    tag_of,
    words_of,
)


def missing_page(top_up_id: str) -> TopUpPage:
    """Return the page for an unknown id or the id of somebody else's top-up: both look the same."""
    title = _("Top-up not found")
    return TopUpPage(id=top_up_id, kind="missing", title=title, announcement=title)


def alone(view: TopUpView) -> TopUpView:
    """Return the view for a browser that may see this top-up and nothing else of the person's account."""
    return replace(view, recovered_amount=None, linked_to=None, linked=())


def without_ways(page: TopUpPage) -> TopUpPage:
    """Return the page without the links to other pages, which a browser at a link's page may not open."""
    to_do = page.next
    if page.can_start_again:
        to_do = _("If you did pay, we'll add it when it arrives. To add money, ask for a new link.")
    return replace(
        page, next=to_do, again_address="", story_address="", can_start_again=False, code="", code_size=0
    )


def top_up_address(top_up_id: str) -> str:
    """Return the address of a top-up's page, without the origin."""
    return f"/add-money/{top_up_id}"


def page_of(
    view: TopUpView,
    balances: BalancesView | None,
    *,
    usual_minutes: int | None,
    fresh_until: datetime | None = None,
) -> TopUpPage:
    """Return the page of a top-up in words.

    Args:
        view: the top-up as its owner sees it.
        balances: the owner's balances, needed once something was booked; None before.
        usual_minutes: how many minutes such payments usually take; None where that is not known.
        fresh_until: the moment up to which the provider has been read; needed where `can_age`.
    """
    words = words_of(view)
    kind = _kind(view)
    title = words.title
    if kind == "offered":
        title = _("Pay {amount} by {method}").format(
            amount=asked_text(view), method=method_text(view.payment_method)
        )
    code, code_size = (
        qr_code(get_settings().ui_origin + top_up_address(view.id)) if kind == "offered" else ("", 0)
    )
    amount, decimals = split_decimals(_arrived(view))
    best = best_order(view)
    seen = best.seen if best else None
    return TopUpPage(
        id=view.id,
        kind="ended" if kind == "lapsed" else kind,
        summary=_("{amount} by {method}").format(
            amount=paid_text(view), method=method_text(view.payment_method)
        ),
        title=title,
        happened=words.happened,
        charged=words.charged,
        as_of=moment_text(fresh_until) if can_age(view) else "",
        next=words.next,
        warning=words.charged if kind == "moving" and view.charged != Charged.YES else "",
        announcement=title if kind == "offered" else f"{title}. {words.charged}",
        reference=reference_of(view.id),
        provider_order=view.provider_order_id or "",
        amount_label=_amount_label(view),
        amount=amount,
        amount_decimals=decimals,
        amount_exact=exact_text(view.booked_amount, view.booked_asset)
        if view.booked_amount and view.booked_asset
        else "",
        asset=view.booked_asset or view.asset,
        expected=asset_text(view.quote.expected_amount, view.asset) if view.quote else "",
        balance=_balance(view, balances),
        can_cancel=view.can_cancel,
        can_start_again=pay_of(situation_of(view)) is Pay.ANOTHER,
        widget_url=view.widget_url or "",
        widget_frame_url=framed_url(view.widget_url, get_settings().ui_origin) if view.widget_url else "",
        widget_origin=_origin(view.widget_url) if view.widget_url else "",
        code=code,
        code_size=code_size,
        usual=usual_text(usual_minutes),
        steps=steps_of(view, usual_minutes=usual_minutes) if kind == "moving" else (),
        facts=_facts(view),
        seen=seen_text(seen) if seen else "",
        seen_address=seen.page if seen else "",
        notes=tuple(_notes(view, balances)),
        related=_related(view),
        is_short=_is_short(view),
        again_address=again_address(view),
        story_address=f"/activity/{view.id}",
        mail_address=support.about_top_up(view.id, provider_order=view.provider_order_id or "", state=title),
    )


def _kind(view: TopUpView) -> str:
    kinds = {
        TopUpStatus.CREATED: "offered" if view.widget_url else "lapsed",
        TopUpStatus.AWAITING_PAYMENT: "offered" if view.widget_url else "lapsed",
        TopUpStatus.PROCESSING: "moving",
        TopUpStatus.SETTLED: "settled",
        TopUpStatus.CANCELED: "ended",
        TopUpStatus.EXPIRED: "ended",
        TopUpStatus.FAILED: "ended",
        TopUpStatus.IN_REVIEW: "review",
        TopUpStatus.REVERSED: "reversed",
    }
    is_claimed = view.status in UNPAID and not view.can_cancel
    return "moving" if is_claimed else kinds[TopUpStatus(view.status)]


def _arrived(view: TopUpView) -> str:
    if view.booked_amount is None or view.booked_asset is None:
        return ""
    sign = {TopUpStatus.SETTLED: "+", TopUpStatus.REVERSED: "\N{MINUS SIGN}"}.get(
        TopUpStatus(view.status), ""
    )
    return sign + number_text(view.booked_amount, view.booked_asset)


def _amount_label(view: TopUpView) -> str:
    labels = {
        TopUpStatus.SETTLED: _("In your balance"),
        TopUpStatus.IN_REVIEW: _("Held for you"),
        TopUpStatus.REVERSED: _("Reversed"),
    }
    if view.status == TopUpStatus.SETTLED and _is_short(view):
        return _("In your balance, less than quoted")
    return labels.get(TopUpStatus(view.status), "") if view.has_entry else ""


def _balance(view: TopUpView, balances: BalancesView | None) -> str:
    if balances is None or not view.has_entry:
        return ""
    if balances.display_amount is not None:
        worth = fiat_text(balances.display_amount, balances.display_currency)
        return _("Your balance is now {amount}").format(amount=worth)
    # Without a rate the worth is unknown, but the amount is not.
    own = next((item for item in balances.items if item.asset == view.booked_asset), None)
    if own is None:
        return ""
    return _("Your balance is now {amount}").format(amount=asset_text(own.available, own.asset))


def _facts(view: TopUpView) -> tuple[AmountFact, ...]:
    """Return what was quoted, paid and delivered, as far as known; nothing before a payment."""
    if view.charged != Charged.YES:
        return ()
    facts = [AmountFact(_("You paid"), paid_text(view))]
    if view.quote is not None:
        expected = view.quote.expected_amount
        quoted = AmountFact(_("Quoted"), asset_text(expected, view.asset), exact_text(expected, view.asset))
        facts.insert(0, quoted)
    if view.booked_amount is not None and view.booked_asset is not None:
        arrived, asset = view.booked_amount, view.booked_asset
        facts.append(AmountFact(_("Delivered"), asset_text(arrived, asset), exact_text(arrived, asset)))
    return tuple(facts)


def _notes(view: TopUpView, balances: BalancesView | None) -> list[str]:
    notes = [_variance(view)] if view.status == TopUpStatus.SETTLED else []
    if view.recovered_amount is not None and view.booked_asset is not None:
        notes.append(
            _("Of this, {amount} paid what you owed.").format(
                amount=asset_text(view.recovered_amount, view.booked_asset)
            )
        )
    item = next((one for one in balances.items if one.asset == view.booked_asset), None) if balances else None
    owes = item is not None and Decimal(item.owed) > 0
    if item is not None and owes and (view.status == TopUpStatus.REVERSED or view.recovered_amount):
        notes.append(
            _("You owe {amount}. The next {asset} that arrives pays it first.").format(
                amount=asset_text(item.owed, item.asset), asset=item.asset
            )
        )
    return [note for note in notes if note]


def _is_short(view: TopUpView) -> bool:
    if view.quote is None or view.received_amount is None or paid_text(view) != asked_text(view):
        return False
    return is_much_less(view.quote.expected_amount, view.received_amount)


def _variance(view: TopUpView) -> str:
    """Return why the amount that arrived is not the quoted one; empty where both look the same."""
    if view.quote is None or view.booked_amount is None or view.booked_asset != view.asset:
        return ""
    difference = difference_text(view.quote.expected_amount, view.booked_amount, asset=view.asset)
    if not difference:
        return ""
    asked, paid = asked_text(view), paid_text(view)
    if paid != asked:
        return _("You paid {paid} instead of {asked}, so a different amount arrived.").format(
            paid=paid, asked=asked
        )
    return difference


def _related(view: TopUpView) -> tuple[Related, ...]:
    first = [
        Related(_("This is a second payment to an earlier top-up."), top_up_address(one))
        for one in [view.linked_to]
        if one
    ]
    return *first, *(Related(_second_payment(one), top_up_address(one.id)) for one in view.linked)


def _second_payment(linked: LinkedView) -> str:
    tag, _tone = tag_of(linked.status)
    if linked.amount is None:
        return _("A second payment arrived: {state}").format(state=tag)
    amount = asset_text(linked.amount, linked.asset)
    return _("A second payment arrived: {amount} · {state}").format(amount=amount, state=tag)


def _origin(url: str) -> str:
    """Return the origin of an address (RFC 6454), as browsers report it in `event.origin`.

    Browsers leave out the default port of the scheme.
    """
    parts = urlsplit(url)
    standard = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, standard) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"
