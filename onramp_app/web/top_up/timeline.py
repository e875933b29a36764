"""The timeline of a top-up that goes on: what is done, what happens now, what is next, and when it was."""

from datetime import datetime, timedelta

from onramp_app.domain import clock
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _, ngettext
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.top_ups.views import TopUpView
from onramp_app.web.top_up.shapes import StepLine
from onramp_app.web.words.amounts import asset_text, moment_text
from onramp_app.web.words.payment_methods import method_text
from onramp_app.web.words.top_ups import paid_text

_PAID, _BOUGHT = StatusClass.PAID.rank, StatusClass.BOUGHT.rank


def reference_of(top_up_id: str) -> str:
    """Return the end of an id as people read it out, `9F3C-21AB`."""
    end = top_up_id[-8:].upper()
    return f"{end[:4]}-{end[4:]}"


def usually_text(minutes: int | None) -> str:
    """Return how long 8 of 10 payments stay below, in few words; nothing while too few are known."""
    if minutes is None:
        return ""
    return ngettext("usually under {n} minute", "usually under {n} minutes", minutes).format(n=minutes)


def usual_text(minutes: int | None) -> str:
    """Return the same as a sentence that says what it rests on."""
    if minutes is None:
        return ""
    return ngettext(
        "8 of 10 such payments took less than {n} minute",
        "8 of 10 such payments took less than {n} minutes",
        minutes,
    ).format(n=minutes)


def steps_of(view: TopUpView, *, usual_minutes: int | None) -> tuple[StepLine, ...]:
    """Return the five lines from the top-up's creation to the balance."""
    created = StepLine(
        _("Top-up created"),
        _("Reference {reference}").format(reference=reference_of(view.id)),
        moment_text(view.created_at),
        "done",
    )
    is_settled = view.status == TopUpStatus.SETTLED
    arrived = StepLine(
        _("In your balance"),
        asset_text(view.received_amount, view.asset) if view.received_amount else "",
        moment_text(view.settled_at),
        "done" if is_settled else "next",
    )
    return created, _payment(view), _purchase(view, usual_minutes), _sending(view, usual_minutes), arrived


def _payment(view: TopUpView) -> StepLine:
    if view.rank < _PAID:
        return StepLine(
            _("Looking for your payment"),
            _("{amount} by {method}").format(amount=paid_text(view), method=method_text(view.payment_method)),
            "",
            "now",
        )
    detail = _("{amount} by {method}, confirmed by the provider").format(
        amount=paid_text(view), method=method_text(view.payment_method)
    )
    return StepLine(_("Payment received"), detail, moment_text(_first(view, least=_PAID)), "done")


def _purchase(view: TopUpView, usual_minutes: int | None) -> StepLine:
    if view.rank < _PAID:
        return StepLine(_("Buying {asset}").format(asset=view.asset), "", "", "next")
    if view.rank < _BOUGHT:
        return StepLine(
            _("Buying {asset}").format(asset=view.asset), _waiting_text(view, usual_minutes), "", "now"
        )
    at = moment_text(_first(view, least=_BOUGHT))
    return StepLine(_("{asset} bought").format(asset=view.asset), "", at, "done")


def _sending(view: TopUpView, usual_minutes: int | None) -> StepLine:
    if view.status == TopUpStatus.SETTLED:
        at = moment_text(_first(view, least=StatusClass.DELIVERED.rank))
        return StepLine(_("Sent to your wallet"), "", at, "done")
    if view.rank < _BOUGHT:
        return StepLine(_("Sending to your wallet"), "", "", "next")
    return StepLine(_("Sending to your wallet"), _waiting_text(view, usual_minutes), "", "now")


def _waiting_text(view: TopUpView, usual_minutes: int | None) -> str:
    return late_text(view, usual_minutes) or usual_text(usual_minutes)


def late_text(view: TopUpView, usual_minutes: int | None) -> str:
    """Return what to say of a payment that takes twice as long as most, nothing of any other."""
    paid_at = _first(view, least=_PAID)
    if usual_minutes is None or paid_at is None:
        return ""
    if clock.now() - paid_at <= timedelta(minutes=2 * usual_minutes):
        return ""
    return _("This one takes longer than most. We keep asking the provider.")


def _first(view: TopUpView, *, least: int) -> datetime | None:
    """Return when the order that the top-up follows was first seen to have come so far."""
    moments = (
        step.at
        for step in view.timeline
        if step.status_class is not None
        and step.order_id is not None
        and step.order_id == view.provider_order_id
        and StatusClass(step.status_class).rank >= least
    )
    return min(moments, default=None)
