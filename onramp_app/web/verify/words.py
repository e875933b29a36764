"""Makes the page of verification: what happened, what to do, and whether it can be tried again."""

from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.config import get_settings
from onramp_app.domain.amounts import fiat_text
from onramp_app.domain.errors import ApplicationError, RateLimited, ValidationFailed
from onramp_app.mail import support
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.texts import _
from onramp_app.top_ups.meter import LimitPeriod, LimitRule, Meter, MeterLine
from onramp_app.verification.errors import PhoneTaken, VerificationNotStartable, VerificationRefused
from onramp_app.verification.lines import get_line
from onramp_app.verification.views import VerificationView
from onramp_app.verification.words import Line, NextStep, Source
from onramp_app.web.verify.shapes import LimitLine, VerifyPage
from onramp_app.web.words.limits import left_text, period_text


def page_of(view: VerificationView, *, reference: str) -> VerifyPage:
    """Return where somebody stands in words. `reference`: the account's id, by which support finds them."""
    is_open_widget = view.line is Line.WIDGET and view.status in (KycStatus.NONE, KycStatus.STARTED)
    title, text, what_now = _widget_words() if is_open_widget else _status_words(view)
    tag, tone = _tag(view)
    return VerifyPage(
        kind="widget" if is_open_widget else view.status.value,
        title=title,
        text=text,
        what_now=what_now,
        tag="" if is_open_widget else tag,
        tone=tone,
        action=_action_text(view.next_step),
        needs_phone=view.needs_phone,
        may_change_phone=view.may_change_phone,
        asks_support=view.next_step is NextStep.CONTACT_SUPPORT or view.is_number_known,
        mail_address=support.about_account(_("Verification"), reference),
        reference=reference,
    )


def _widget_words() -> tuple[str, str, str]:
    return (
        _("You're verified when you pay"),
        _(
            "{provider} checks who you are inside its own payment page, when it needs to."
            " It doesn't tell us the result, so there's nothing to do on this page."
        ).format(provider=get_settings().provider_name),
        "",
    )


def _status_words(view: VerificationView) -> tuple[str, str, str]:
    """Return what happened, what that means, and what to do."""
    if view.status is KycStatus.APPROVED:
        return _approved_words(view)
    if view.is_number_known:
        return (
            _("We're checking your phone number"),
            _(
                "{provider} already knows this number, so someone from our team checks that it's yours."
            ).format(provider=get_settings().provider_name),
            _("There's nothing you need to do. This usually takes up to one working day."),
        )
    return {
        KycStatus.NONE: (
            _("Verify your identity"),
            _("{provider} checks who you are on its own page. We never see your documents.").format(
                provider=get_settings().provider_name
            ),
            "",
        ),
        KycStatus.STARTED: (
            _("Finish your verification"),
            _("You've started. Continue on {provider}'s page to finish.").format(
                provider=get_settings().provider_name
            ),
            _("This page updates automatically."),
        ),
        KycStatus.IN_REVIEW: (
            _("Your details are being checked"),
            _("{provider} is looking at what you sent.").format(provider=get_settings().provider_name),
            _("There's nothing you need to do. This page updates automatically."),
        ),
        KycStatus.REJECTED: (
            _("Your identity couldn't be verified"),
            _refused_text(view),
            _("It can't be tried again here. If you think this is wrong, contact support."),
        ),
        KycStatus.RESUBMIT: (
            _("The check couldn't be completed"),
            _("Something you sent was missing, unclear or didn't match."),
            _("You can try again inside the payment page, the next time you pay.")
            if view.line is Line.WIDGET
            else _("You can try again: follow the provider's instructions for each step."),
        ),
    }[view.status]


def _refused_text(view: VerificationView) -> str:
    """Return who refused and why, as far as that is known, and what it means."""
    why = (
        _("{provider} refused the check for good. It doesn't tell us the reason.").format(
            provider=get_settings().provider_name
        )
        if view.refused_by is Source.PROVIDER
        else _("Our team refused the verification.")
    )
    so = _("You can't add money. Money that still arrives is held for you.")
    return f"{why} {so}"


def _approved_words(view: VerificationView) -> tuple[str, str, str]:
    if view.tier is KycTier.FULL:
        return _("You're fully verified"), _("You have the highest limits of this wallet."), ""
    more = view.next_step is NextStep.RAISE
    return (
        _("You're verified"),
        _("Your basic verification is complete."),
        _("You can go further to raise your limits.") if more else "",
    )


def _tag(view: VerificationView) -> tuple[str, str]:
    return {
        KycStatus.NONE: (_("Not verified"), "over"),
        KycStatus.STARTED: (_("Started"), "now"),
        KycStatus.IN_REVIEW: (_("In review"), "now"),
        KycStatus.APPROVED: (_("Verified"), "good"),
        KycStatus.REJECTED: (_("Refused"), "bad"),
        KycStatus.RESUBMIT: (_("Not completed"), "now"),
    }[view.status]


def _action_text(step: NextStep) -> str:
    return {
        NextStep.START: _("Start verification"),
        NextStep.CONTINUE: _("Continue verification"),
        NextStep.RAISE: _("Raise my limits"),
        NextStep.TRY_AGAIN: _("Try again"),
    }.get(step, "")


def limit_lines(meter: Meter) -> tuple[LimitLine, ...]:
    """Return all limits in words, our own first."""
    order = [LimitRule.TIER, LimitRule.METHOD, LimitRule.PROVIDER]
    lines = sorted(meter.lines, key=lambda line: order.index(line.rule))
    return tuple(_limit_line(line, meter) for line in lines)


def _limit_line(line: MeterLine, meter: Meter) -> LimitLine:
    used = line.max - line.left
    counts = line.used is not None
    return LimitLine(
        label=_label(line),
        limit=_limit_text(line, meter.currency),
        left=_("{amount} left").format(amount=left_text(line.left, meter.currency)) if counts else "",
        used_percent=int(used * 100 / line.max) if counts and line.max else 0,
        raised=_raised_text(line, meter),
        is_binding=line == meter.binding,
    )


def _limit_text(line: MeterLine, currency: str) -> str:
    most = left_text(line.max, currency)
    if line.min is None:
        return most
    return _("{least} to {most}").format(least=fiat_text(line.min, currency), most=most)


def _label(line: MeterLine) -> str:
    if line.rule is LimitRule.METHOD:
        return _("Payment method, each top-up")
    if line.rule is LimitRule.PROVIDER:
        words = (
            _("{provider}'s published limit for a first payment")
            if line.period is LimitPeriod.TOP_UP
            else _("{provider}'s published limit each month")
        )
        return words.format(provider=get_settings().provider_name)
    return period_text(line)


def _raised_text(line: MeterLine, meter: Meter) -> str:
    """Return what a higher tier would make of a limit; of the one that applies first, how much exactly."""
    if line.later is not None:
        return _("{later} after the provider's longer check").format(
            later=fiat_text(line.later, meter.currency)
        )
    if line.raised_by is None:
        return ""
    if get_line().line is Line.WIDGET:
        return _("Support can raise it")
    is_full = line.raised_by is KycTier.FULL
    if line != meter.binding:
        return _("Higher once you're fully verified") if is_full else _("Higher once you're verified")
    most = next(room.most for room in meter.higher if room.tier is line.raised_by)
    if most is None:
        return _("No limit of ours once you're verified")
    words = (
        _("Up to {most} once you're fully verified") if is_full else _("Up to {most} once you're verified")
    )
    return words.format(most=left_text(most, meter.currency))


def start_problem(error: ApplicationError) -> tuple[str, str]:
    """Return what is wrong with the phone number, and else why nothing was begun; one of the two."""
    match error:
        case ValidationFailed():
            return _("Enter the number with its country code, such as +91 99999 99999."), ""
        case PhoneTaken():
            return _("This number can't be used for this account. Use your own, or contact support."), ""
        case VerificationNotStartable() | VerificationRefused():
            return "", ""  # The page says where the person stands.
        case RateLimited():
            return "", _("That was a lot at once. Try again later.")
        case ProviderUnavailable():
            return "", _("{provider} isn't answering right now. Nothing was started; try again.").format(
                provider=get_settings().provider_name
            )
    raise error


def published_text(meter: Meter) -> str:
    """Return what the provider publishes for the person's currency, in a sentence."""
    first, later = meter.first_payment, meter.later_payment
    if first is None:
        return ""
    limit = fiat_text(first, meter.currency)
    if later is None:
        return _("Its published limit for a first payment is {limit}. It may decide otherwise.").format(
            limit=limit
        )
    words = _(
        "Its published limit is {limit} for a first payment, and {later} once you've passed its longer check."
        " It may decide otherwise."
    )
    return words.format(limit=limit, later=fiat_text(later, meter.currency))
