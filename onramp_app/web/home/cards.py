"""The cards of open top-ups on the home page, and the line about an open verification."""

from onramp_app.accounts.words import KycStatus
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _
from onramp_app.top_ups.transitions import OPEN, Charged, TopUpStatus
from onramp_app.top_ups.views import TopUpView
from onramp_app.web.home.shapes import OpenCard
from onramp_app.web.words.durations import late_text, usually_text
from onramp_app.web.words.top_ups import action_text, paid_text, words_of

_STEPS = 5  # begun, opened, paid, bought, sent


def verification_note(status: str) -> str:
    """Return what to know of a verification that has begun and not ended well; nothing otherwise."""
    return {
        KycStatus.STARTED.value: _("Finish your verification"),
        KycStatus.IN_REVIEW.value: _("Your verification is in review"),
        KycStatus.RESUBMIT.value: _("Your verification needs another try"),
        KycStatus.REJECTED.value: _("Your identity couldn't be verified"),
    }.get(status, "")


def card_of(view: TopUpView, *, usual_minutes: int | None) -> OpenCard:
    """Return the card of an open top-up.

    Args:
        usual_minutes: within how many minutes most such payments arrive; None while too few are known.
    """
    status = TopUpStatus(view.status)
    is_claimed = view.charged != Charged.NO
    if status is TopUpStatus.PROCESSING:
        title = _("{amount} is on its way")
    elif status is TopUpStatus.IN_REVIEW:
        title = _("We are checking your top-up of {amount}")
    else:
        title = _("Looking for your {amount}") if is_claimed else _("{amount} is waiting for payment")
    is_to_pay = view.can_cancel
    return OpenCard(
        top_up_id=view.id,
        title=title.format(amount=paid_text(view)),
        text=_card_text(view, is_to_pay=is_to_pay, usual_minutes=usual_minutes),
        action=action_text(is_to_pay=is_to_pay),
        step=0 if is_to_pay or status is TopUpStatus.IN_REVIEW else _steps_done(view),
        steps=_STEPS,
    )


def _card_text(view: TopUpView, *, is_to_pay: bool, usual_minutes: int | None) -> str:
    if is_to_pay:
        # Not "you were not charged": a payment is seen a little after it was made.
        return _("No payment has been seen yet.")
    happened = words_of(view).happened
    if view.status in OPEN and view.charged == Charged.UNKNOWN:
        return f"{happened} {_('Do not pay again yet.')}"
    if view.status != TopUpStatus.PROCESSING:
        return happened
    if late := late_text(view, usual_minutes):
        return f"{happened} {late}"
    if not (usually := usually_text(usual_minutes)):
        return happened
    return _("{progress}; {usually}.").format(progress=happened.removesuffix("."), usually=usually)


def _steps_done(view: TopUpView) -> int:
    best = next((o for o in view.provider_orders if o.order_id == view.provider_order_id), None)
    rank = StatusClass(best.status).rank if best and best.status else 0
    done = sum(
        rank >= reached.rank
        for reached in (StatusClass.OPENED, StatusClass.PAID, StatusClass.BOUGHT, StatusClass.SENDING)
    )
    return 1 + done
