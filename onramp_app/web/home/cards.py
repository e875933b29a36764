"""The cards of open top-ups on the home page, and the note about an unfinished verification."""

from onramp_app.accounts.words import KycStatus
from onramp_app.answers.situation import Pay, pay_of
from onramp_app.answers.top_ups import summary_of, wait_text
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _, sentences
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.top_ups.views import TopUpView
from onramp_app.web.home.shapes import OpenCard
from onramp_app.web.words.durations import late_text, usual_text
from onramp_app.web.words.top_ups import action_text, is_to_pay, paid_text, situation_of

_STEPS = 5  # begun, opened, paid, bought, sent


def verification_note(status: str) -> str:
    """Return the note about a verification that is unfinished or failed; empty otherwise."""
    return {
        KycStatus.STARTED.value: _("Finish your verification."),
        KycStatus.IN_REVIEW.value: _("Your verification is in review."),
        KycStatus.RESUBMIT.value: _("Please try your verification again."),
        KycStatus.REJECTED.value: _("Your identity couldn't be verified."),
    }.get(status, "")


def card_of(view: TopUpView, *, usual_minutes: int | None, is_another_sought: bool = False) -> OpenCard:
    """Return the card of an open top-up.

    Args:
        is_another_sought: whether we are still looking for a payment to another of the person's open top-ups.
            Until it is found, they are not asked to pay this one.
        usual_minutes: within how many minutes most payments by this method arrive; None if too few are known.
    """
    status, at = TopUpStatus(view.status), situation_of(view)
    may_pay = is_to_pay(view)
    must_wait = may_pay and is_another_sought
    text = wait_text() if must_wait else _card_text(view, usual_minutes=usual_minutes)
    if pay_of(at) is Pay.NOT_AGAIN and status is not TopUpStatus.IN_REVIEW:
        title = _("{amount} is on its way")
    elif status is TopUpStatus.IN_REVIEW:
        title = _("{amount} is in review")
    elif pay_of(at) is Pay.WAIT:
        title = _("Looking for your {amount}")
    else:
        title = _("{amount} is waiting for payment") if may_pay else _("The offer of {amount} has ended")
    return OpenCard(
        top_up_id=view.id,
        title=title.format(amount=paid_text(view)),
        text=text,
        action=action_text(is_to_pay=may_pay and not must_wait),
        step=0 if view.can_cancel or status is TopUpStatus.IN_REVIEW else _steps_done(view),
        steps=_STEPS,
    )


def _card_text(view: TopUpView, *, usual_minutes: int | None) -> str:
    text = summary_of(situation_of(view))
    if view.status != TopUpStatus.PROCESSING:
        return text
    return sentences(text, late_text(view, usual_minutes) or usual_text(usual_minutes))


def _steps_done(view: TopUpView) -> int:
    best = next((o for o in view.provider_orders if o.order_id == view.provider_order_id), None)
    rank = StatusClass(best.status).rank if best and best.status else 0
    done = sum(
        rank >= reached.rank
        for reached in (StatusClass.OPENED, StatusClass.PAID, StatusClass.BOUGHT, StatusClass.SENDING)
    )
    return 1 + done
