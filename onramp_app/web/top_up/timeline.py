"""The timeline of a top-up in progress: what is done and when, what happens now, what is next."""

from onramp_app.answers.situation import Pay, pay_of
from onramp_app.domain.amounts import asset_text
from onramp_app.domain.ids import reference_of
from onramp_app.pricing.names import method_text
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.top_ups.views import TopUpView
from onramp_app.web.top_up.shapes import StepLine
from onramp_app.web.words.amounts import moment_text
from onramp_app.web.words.durations import first_reached, late_text, usual_text
from onramp_app.web.words.top_ups import best_order, paid_text, situation_of

_PAID, _BOUGHT = StatusClass.PAID.rank, StatusClass.BOUGHT.rank


def steps_of(view: TopUpView, *, usual_minutes: int | None) -> tuple[StepLine, ...]:
    """Return the five lines of the timeline, from the creation of the top-up to the balance."""
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
    if view.rank < _PAID and pay_of(situation_of(view)) is Pay.WAIT:
        return StepLine(
            _("Looking for your payment"),
            _("{amount} by {method}").format(amount=paid_text(view), method=method_text(view.payment_method)),
            "",
            "now",
        )
    detail = _("{amount} by {method}, confirmed by the provider").format(
        amount=paid_text(view), method=method_text(view.payment_method)
    )
    return StepLine(_("Payment received"), detail, moment_text(first_reached(view, least=_PAID)), "done")


def _purchase(view: TopUpView, usual_minutes: int | None) -> StepLine:
    if view.rank < _PAID:
        return StepLine(_("Buying {asset}").format(asset=view.asset), "", "", "next")
    if view.rank < _BOUGHT:
        return StepLine(
            _("Buying {asset}").format(asset=view.asset), _waiting_text(view, usual_minutes), "", "now"
        )
    at = moment_text(first_reached(view, least=_BOUGHT))
    return StepLine(_("{asset} bought").format(asset=view.asset), "", at, "done")


def _sending(view: TopUpView, usual_minutes: int | None) -> StepLine:
    if view.status == TopUpStatus.SETTLED:
        at = moment_text(first_reached(view, least=StatusClass.DELIVERED.rank))
        return StepLine(_("Sent to your wallet"), "", at, "done")
    if view.rank < _BOUGHT:
        return StepLine(_("Sending to your wallet"), "", "", "next")
    best = best_order(view)
    if best is not None and best.status == StatusClass.DELIVERED:
        return StepLine(_("Arriving on the network"), _waiting_text(view, usual_minutes), "", "now")
    return StepLine(_("Sending to your wallet"), _waiting_text(view, usual_minutes), "", "now")


def _waiting_text(view: TopUpView, usual_minutes: int | None) -> str:
    return late_text(view, usual_minutes) or usual_text(usual_minutes)
