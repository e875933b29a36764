"""The sentences of the wizard: bills, limits, problems with an amount, and why no top-up can be begun."""

from collections.abc import Sequence
from decimal import Decimal

from onramp_app.accounts.words import KycTier
from onramp_app.answers.top_ups import answer_of_open, wait_text
from onramp_app.config import get_settings
from onramp_app.domain.amounts import (
    asset_text,
    bill_text,
    exact_text,
    fiat_text,
    number_text,
    percent_text,
    rate_text,
)
from onramp_app.domain.errors import ApplicationError, RateLimited
from onramp_app.mail import support
from onramp_app.pricing.mid_market import cost_percent
from onramp_app.pricing.names import method_text
from onramp_app.pricing.quotes import QuoteView
from onramp_app.providers.errors import ProviderPriceIrregular, ProviderUnavailable
from onramp_app.texts import _, sentences
from onramp_app.top_ups.errors import (
    AccountFrozen,
    EmailNotConfirmed,
    KycRequired,
    QuoteChanged,
    TierTooLow,
    TooManyOpenTopUps,
)
from onramp_app.top_ups.meter import LimitPeriod, LimitRule, Meter
from onramp_app.top_ups.transitions import Charged
from onramp_app.top_ups.views import TopUpView
from onramp_app.verification.lines import get_line
from onramp_app.verification.words import Line
from onramp_app.web.add_money.shapes import Bill, BillLine, Blocked, OpenTopUp
from onramp_app.web.words.amounts import moment_text, rate_words, split_decimals
from onramp_app.web.words.limits import left_text
from onramp_app.web.words.top_ups import action_text, is_to_pay, situation_of, words_of

RETRY_SECONDS = 5
NOT_KNOWN = "\N{EN DASH}"  # in place of an amount


def bill_of(quote: QuoteView, *, currency: str, asset: str, mid_rate: str = "") -> Bill:
    """Return a quote as a bill. Our own fee is left out where it is zero.

    Two fees are always named, so that the bills of all currencies have the same lines.
    """
    charged = [(_("Provider fee"), quote.provider_fee), (_("Payment fee"), quote.gateway_fee)]
    if Decimal(quote.client_fee):
        charged.append((_("Our fee"), quote.client_fee))
    every = sum((Decimal(amount) for _label, amount in charged), Decimal(quote.network_fee))
    receive, receive_decimals = split_decimals(number_text(quote.expected_amount, asset))
    pay = bill_text(quote.fiat_amount, currency)
    pay_head, pay_decimals = split_decimals(pay)
    return Bill(
        pay=pay,
        pay_head=pay_head,
        pay_decimals=pay_decimals,
        fees=tuple(BillLine(label, bill_text(amount, currency)) for label, amount in charged),
        network_fee=bill_text(quote.network_fee, currency),
        all_fees=bill_text(every, currency),
        rate=rate_words(quote, currency=currency, asset=asset),
        receive=receive,
        receive_decimals=receive_decimals,
        receive_words=asset_text(quote.expected_amount, asset),
        receive_exact=exact_text(quote.expected_amount, asset),
        cost=_cost_text(quote, currency, mid_rate),
        short=_("{paid} becomes about {received}").format(
            paid=pay, received=asset_text(quote.expected_amount, asset)
        ),
    )


def _cost_text(quote: QuoteView, currency: str, mid_rate: str) -> str:
    """Return the purchase's total cost against the mid-market rate; empty where no rate is known."""
    if not mid_rate:
        return ""
    paid, received = Decimal(quote.fiat_amount), Decimal(quote.expected_amount)
    percent = cost_percent(paid=paid, received=received, rate=Decimal(mid_rate))
    return _("Total cost {percent} against the mid-market {rate}").format(
        percent=percent_text(percent), rate=rate_text(mid_rate, currency)
    )


def no_bill(before: Bill) -> Bill:
    """Return the bill to show without a quote: the lines of the previous bill, without amounts."""
    labels = [line.label for line in before.fees] or [_("Provider fee"), _("Payment fee")]
    return Bill(fees=tuple(BillLine(label, NOT_KNOWN) for label in labels))


def changed_text(bill: Bill) -> str:
    """Return the sentence for a quote that has changed while it was shown."""
    return _("The rate has changed: {rate}, you receive about {amount}.").format(
        rate=bill.rate, amount=bill.receive_words
    )


def needs_tier_text(most: str | Decimal, currency: str) -> str:
    """Return why an amount needs a higher tier. `most`: what may be added without one."""
    if not Decimal(most):
        known = _("You've reached your limit for now.")
    else:
        known = _("You can add up to {most} for now.").format(most=left_text(most, currency))
    if get_line().line is Line.WIDGET:
        return sentences(known, _("Support can raise your limit."))
    return sentences(known, _("Verify your identity to add this amount."))


def verify_action() -> str:
    """Return the label of the button that leads to the verification page."""
    return _("See your limits") if get_line().line is Line.WIDGET else _("Verify your identity")


def binding_text(meter: Meter) -> str:
    """Return which limit applies first, whose it is, and how much it leaves; nothing where there is none."""
    if not meter.is_whole:
        return _("Your limits can't be shown right now. We check them before you pay.")
    if (binding := meter.binding) is None:
        return ""
    if binding.rule is LimitRule.METHOD:
        return _("{provider}'s limit applies: up to {most} at a time.").format(
            provider=get_settings().provider_name, most=fiat_text(binding.max, meter.currency)
        )
    words = {
        LimitPeriod.TOP_UP: _("Your limit for each top-up applies: up to {most}."),
        LimitPeriod.DAY: _("Your daily limit applies: up to {most} more today.")
        if binding.left
        else _("You've reached your daily limit. It starts again at midnight UTC."),
        LimitPeriod.MONTH: _("Your monthly limit applies: up to {most} more this month.")
        if binding.left
        else _("You've reached your monthly limit. It starts again next month."),
    }[binding.period]
    return words.format(most=left_text(binding.left, meter.currency))


def raises_text(meter: Meter) -> str:
    """Return what further verification would allow; empty where it raises none of our limits."""
    binding = meter.binding
    if binding is None or binding.raised_by is None or not meter.higher:
        return ""
    if get_line().line is Line.WIDGET:
        return _("See how to raise your limits.")
    most = next(room.most for room in meter.higher if room.tier is binding.raised_by)
    if most is None:
        return _("Verify your identity to raise this limit.")
    if binding.raised_by is KycTier.FULL:
        return _("Complete your verification to add up to {most}.").format(
            most=left_text(most, meter.currency)
        )
    return _("Verify your identity to add up to {most}.").format(most=left_text(most, meter.currency))


def published_text(meter: Meter) -> str:
    """Return the provider's published limit for a first payment, worded as no promise; empty without one."""
    first = meter.first_payment
    if first is None:
        return ""
    return _("{provider}'s published limit for a first payment: {limit}").format(
        provider=get_settings().provider_name, limit=fiat_text(first, meter.currency)
    )


def problem_text(error: ApplicationError) -> str:  # noqa: PLR0911 - one answer an error
    """Return why there is no quote, or why no top-up could be begun, and what to do."""
    if isinstance(error, ProviderPriceIrregular):
        return _("The price is moving too fast to quote. We'll try again in a moment.")
    if isinstance(error, ProviderUnavailable):
        return _("{provider} isn't answering right now. We'll keep trying.").format(
            provider=get_settings().provider_name
        )
    if isinstance(error, RateLimited):
        return _("That was a lot at once. We'll continue in a moment.")
    if isinstance(error, QuoteChanged):
        return _("The price moved by more than 1%. Check the new figures and confirm.")
    if isinstance(error, EmailNotConfirmed):
        return _("First confirm your email address: open the link in the email that we sent you.")
    if isinstance(error, TooManyOpenTopUps):
        return _("You have too many top-ups open. Finish or cancel one of them first.")
    return _("This isn't offered any more. Choose again.")


def nothing_begun_text(error: ApplicationError) -> str:
    """Return why a top-up could not be begun, for a temporary reason."""
    if isinstance(error, RateLimited):
        return _("You started many top-ups in a short time. Nothing was started now: wait a minute.")
    return _("{provider} isn't answering. Nothing was started and you weren't charged. Try again.").format(
        provider=get_settings().provider_name
    )


def perhaps_begun_text() -> str:
    """Return the sentence for when it is unknown whether a top-up was begun: nothing can be paid yet."""
    return _(
        "We can't tell yet whether this was started. You weren't charged. Confirm again in a minute:"
        " it starts only once."
    )


def not_read_text() -> str:
    """Return the sentence for an offer that could not be read."""
    return _("We can't reach our database right now. Nothing was started. We'll try again in a moment.")


def blocked_of(error: ApplicationError, user_id: str) -> Blocked | None:
    """Return why a person may not add money, and whom to ask, or None for any other error."""
    if isinstance(error, AccountFrozen):
        title = _("Your account is frozen")
        text = _("You can't add money until we've reviewed it. What you have is safe.")
    elif isinstance(error, KycRequired) and not isinstance(error, TierTooLow):
        title = _("Your identity couldn't be verified")
        text = _(
            "Your verification wasn't accepted, so you can't add money. Contact support if this is wrong."
        )
    else:
        return None
    return Blocked(title, text, reference=user_id, mail_address=support.about_account(title, user_id))


def open_top_up_of(view: TopUpView, *, is_another_sought: bool = False) -> OpenTopUp:
    """Return an open top-up as the wizard shows it.

    Args:
        is_another_sought: whether we are still looking for a payment to another of the person's open top-ups.
            Until it is found, they are not asked to pay this one.
    """
    words, may_pay = words_of(view), is_to_pay(view)
    must_wait = may_pay and is_another_sought
    return OpenTopUp(
        id=view.id,
        title=_("{amount} by {method}").format(
            amount=fiat_text(view.fiat_amount, view.fiat_currency), method=method_text(view.payment_method)
        ),
        tag=words.tag,
        tone=words.tone,
        # Where the payment was received, `next` says so already.
        charged="" if view.charged == Charged.YES else words.charged,
        next=wait_text() if must_wait else words.next,
        created_at=moment_text(view.created_at),
        action=action_text(is_to_pay=may_pay and not must_wait),
        can_cancel=view.can_cancel,
    )


def open_title(views: Sequence[TopUpView], *, reading: str) -> tuple[str, str]:
    """Return the answer to "is it safe to try again?" for the open top-ups, and the reason.

    Args:
        reading: empty before, `asking` while the provider is asked, then `current` or, on failure, `away`.
    """
    if reading == "asking" and views:
        return _("Checking your open top-ups"), _("It takes a few seconds to see whether one was paid.")
    return answer_of_open([situation_of(view) for view in views], is_current=reading == "current")
