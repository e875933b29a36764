"""How long payments usually take, and whether one takes longer."""

from datetime import datetime, timedelta

from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.payments import PublishedTime
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _, ngettext
from onramp_app.top_ups.views import TopUpView


def usually_text(minutes: int | None) -> str:
    """Return in a few words how long 8 of 10 payments take at most; nothing while too few are known."""
    if minutes is None:
        return ""
    return ngettext("usually under {n} minute", "usually under {n} minutes", minutes).format(n=minutes)


def published_time_text(time: PublishedTime | None) -> str:
    """Return in a few words how long a payment takes as published; nothing where nothing is."""
    if time is None:
        return ""
    if time.bank_days is None:
        return _("instant, according to {provider}").format(provider=get_settings().provider_name)
    least, most = time.bank_days
    return ngettext("{least} to {n} business day", "{least} to {n} business days", most).format(
        least=least, n=most
    )


def usual_text(minutes: int | None) -> str:
    """Return the same as `usually_text`, as a sentence."""
    if minutes is None:
        return ""
    if minutes == 1:
        return _("Most payments arrive in under a minute.")
    return ngettext(
        "Most payments arrive in under {n} minute.", "Most payments arrive in under {n} minutes.", minutes
    ).format(n=minutes)


def late_text(view: TopUpView, usual_minutes: int | None) -> str:
    """Return a sentence for a payment that takes twice as long as most; nothing for any other."""
    paid_at = first_reached(view, least=StatusClass.PAID.rank)
    if usual_minutes is None or paid_at is None:
        return ""
    if clock.now() - paid_at <= timedelta(minutes=2 * usual_minutes):
        return ""
    return _("This is taking longer than usual. We keep asking the provider.")


def first_reached(view: TopUpView, *, least: int) -> datetime | None:
    """Return when the order that the top-up follows was first seen at rank `least` or beyond, or None."""
    moments = (
        step.at
        for step in view.timeline
        if step.status_class is not None
        and step.order_id is not None
        and step.order_id == view.provider_order_id
        and StatusClass(step.status_class).rank >= least
    )
    return min(moments, default=None)
