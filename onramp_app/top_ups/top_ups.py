"""What the owner of a top-up can do: begin it or cancel it. Nothing here moves money."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app import idempotency
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.config import get_settings
from onramp_app.db.engine import TOP_UP, transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain import clock
from onramp_app.domain.environment import StepSource, current_environment
from onramp_app.domain.errors import Unauthenticated
from onramp_app.domain.ids import new_id
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.idempotency import KeptAnswer
from onramp_app.pricing.catalogue import get_options
from onramp_app.pricing.quotes import PurchaseRequest, Quote, quote_members, quote_view
from onramp_app.pricing.quotes import quote as ask_quote
from onramp_app.providers.connection import ADAPTER, get_provider
from onramp_app.providers.errors import AmountOutOfLimits, UnsupportedAsset
from onramp_app.providers.port import WidgetSession
from onramp_app.setting_forms import TreasuryAddress
from onramp_app.telemetry.trace import traced
from onramp_app.throttle import throttle
from onramp_app.top_ups import limits
from onramp_app.top_ups.errors import (
    AccountFrozen,
    EmailNotConfirmed,
    KycRequired,
    NotCancelable,
    QuoteChanged,
    TierTooLow,
    TooManyOpenTopUps,
)
from onramp_app.top_ups.moves import Evidence, record, state_of
from onramp_app.top_ups.tables import TopUp, WidgetRecord
from onramp_app.top_ups.transitions import ACT_OF, CREATED, OPEN, Act, Action, on_action
from onramp_app.top_ups.views import TopUpView, own, view_of
from onramp_app.verification.steps import standing_of
from onramp_app.verification.views import NextStepView, next_step_view

MAX_OPEN = 5
OFFERED = timedelta(hours=24)  # docs/money.md: without a provider order a top-up expires after a day
QUOTE_TOLERANCE_PERCENT = 1
_ANSWERED = 201

# Called with the new top-up inside the transaction that stores it; if the call raises, nothing is stored.
OnCreated = Callable[[AsyncSession, TopUpView], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked request, ready to be stored: it needs nothing more from the provider.

    `rates[C]` is how much of the base currency of `LIMITS` one unit of C is worth.
    `least` is the smallest fiat amount that the provider takes, where it is known.
    """

    quote: Quote
    recognition_id: str
    address: TreasuryAddress
    widget_url: str
    rates: Mapping[str, Decimal]
    least: Decimal | None


async def create(
    viewer: Viewer,
    request: PurchaseRequest,
    *,
    expected_amount: Decimal | None = None,
    on_created: OnCreated | None = None,
    is_vouched: bool = False,
) -> TopUpView:
    """Begin a top-up and offer a widget address for it.

    What the person may not do at all is refused before the provider is called, because everybody shares its
    request limit. `is_vouched`: a program of the operator's vouches for the person, who then needs no
    confirmed email address.

    Raises:
        ValidationFailed, UnsupportedCurrency, UnsupportedPaymentMethod, UnsupportedAsset: not possible.
        AmountOutOfLimits: over or under the provider's limits, or over our own.
        TierTooLow: over our own limits, and a higher tier would allow it.
        QuoteChanged: a fresh quote differs by more than 1 % from `expected_amount`.
        AccountFrozen, EmailNotConfirmed, KycRequired, TooManyOpenTopUps: not for this person at the moment.
        RateLimited, ProviderUnavailable, DatabaseUnavailable: retry later.
    """
    await throttle.attempt(throttle.TOP_UP, viewer.user_id)
    _require_confirmed(is_confirmed=is_vouched or viewer.is_email_confirmed)
    await may_begin(viewer)
    offer = await _make_offer(viewer, request, expected_amount)
    async with traced("create"), transaction(TOP_UP) as db:
        top_up = await store(db, viewer.user_id, offer, is_vouched=is_vouched)
        view = await view_of(db, top_up, at=top_up.created_at)
        if on_created is not None:
            await on_created(db, view)
    announce_changes([viewer.user_id])
    return view


async def create_once(
    viewer: Viewer,
    request: PurchaseRequest,
    *,
    expected_amount: Decimal,
    review: str,
    vouched: OnCreated | None = None,
) -> str:
    """Begin the top-up that a person reviewed, or return the one that an earlier confirmation began.

    Args:
        expected_amount: what the review said would arrive. A changed price does not make it another review.
        review: the id of the review that the person confirms, at most 50 visible ASCII characters.
        vouched: given where a program of the operator's vouches for the person; called as `on_created`.

    Returns:
        The top-up's id.

    Raises:
        IdempotencyInProgress: the first confirmation is in progress, or broke off less than two minutes ago.
        DatabaseUnavailable: whether the top-up began is unknown; confirming the same review again finds out.
        Everything else that `create` raises: nothing was begun.
    """
    shown = hashlib.sha256(str(request).encode()).digest()
    claimed = await idempotency.claim(viewer.user_id, f"review-{review}", request_hash=shown)
    if isinstance(claimed, KeptAnswer):
        return claimed.body

    async def keep(db: AsyncSession, view: TopUpView) -> None:
        if vouched is not None:
            await vouched(db, view)
        await idempotency.keep(db, claimed, KeptAnswer(_ANSWERED, view.id))

    try:
        view = await create(
            viewer,
            request,
            expected_amount=expected_amount,
            on_created=keep,
            is_vouched=vouched is not None,
        )
    except BaseException:
        # Shielded, because the error may be the cancellation of this very task.
        await asyncio.shield(idempotency.give_up(claimed))
        raise
    return view.id


async def _make_offer(viewer: Viewer, request: PurchaseRequest, expected_amount: Decimal | None) -> Offer:
    provider, options = get_provider(), get_options()
    quote = await ask_quote(provider, options, request=request)
    _compare(quote, expected_amount)
    known = (await options.catalogue()).limits.get(quote.fiat_type)
    address = current_address(request.network, clock.now())
    facts = WidgetSession(
        recognition_id=ADAPTER.new_recognition_id(),
        wallet_address=address.address,
        coin_code=request.asset,
        network=request.network,
        fiat_type=quote.fiat_type,
        fiat_amount=request.fiat_amount,
        payment_kind=quote.payment_kind,
        address_tag=address.memo,
        language=viewer.language,
    )
    return Offer(
        quote=quote,
        recognition_id=facts.recognition_id,
        address=address,
        widget_url=await provider.widget_url(facts),
        rates=await _base_rates(viewer.user_id, request.fiat_currency),
        least=known.min if known else None,
    )


def _compare(quote: Quote, expected_amount: Decimal | None) -> None:
    fresh = quote.quoted.expected_amount
    if expected_amount is None or abs(expected_amount - fresh) * 100 <= fresh * QUOTE_TOLERANCE_PERCENT:
        return
    raise QuoteChanged(
        "The price has moved more than 1 %. Look at the new quote and confirm it.",
        extra={"quote": quote_members(quote_view(quote.quoted))},
    )


def current_address(network: str, at: datetime) -> TreasuryAddress:
    """Return the treasury address to which new top-ups on a network go.

    Raises:
        UnsupportedAsset: the network has no address, or each is past its `until`.
    """
    for address in get_settings().treasury_addresses.get(network, ()):
        if address.until is None or address.until > at:
            return address
    raise UnsupportedAsset("This asset cannot be received on this network at the moment.")


async def _base_rates(user_id: str, currency: str) -> Mapping[str, Decimal]:
    """Return the rates for `store`: today's over the kept ones; only the kept ones if no tier is limited."""
    settings = get_settings().limits
    is_limited = any(limits.is_limited(tier) for tier in (settings.none, settings.basic, settings.full))
    async with transaction(TOP_UP) as db:
        kept = await limits.kept_rates(db)
        counted = await limits.used_amounts(db, user_id, at=await moment_of(db)) if is_limited else {}
    return await limits.base_rates(counted, currency, kept=kept) if is_limited else kept


async def store(db: AsyncSession, user_id: str, offer: Offer, *, is_vouched: bool = False) -> TopUp:
    """Check the person and their limits, and store the top-up, under the person's lock.

    Raises:
        AccountFrozen, KycRequired, TooManyOpenTopUps, AmountOutOfLimits, TierTooLow: nothing is stored.
    """
    person = await limits.lock_person(db, user_id)
    await _check_person(db, person)
    _require_confirmed(is_confirmed=is_vouched or person.email_confirmed_at is not None)
    now = await moment_of(db)
    await _check_limits(db, person, offer, now)
    quote = offer.quote
    request = quote.request
    top_up = TopUp(
        id=new_id(),
        user_id=user_id,
        environment=current_environment().value,
        fiat_amount=request.fiat_amount,
        fiat_currency=request.fiat_currency,
        fiat_type=quote.fiat_type,
        asset=request.asset,
        network=request.network,
        payment_method=request.payment_method,
        quote=json.dumps(quote_members(quote_view(quote.quoted))),
        expected_amount=quote.quoted.expected_amount,
        created_at=now,
        updated_at=now,
    )
    limits.count_in_base(top_up, rates=offer.rates)
    db.add(top_up)
    await db.flush()
    until = offer.address.until
    db.add(
        WidgetRecord(
            recognition_id=offer.recognition_id,
            top_up_id=top_up.id,
            environment=top_up.environment,
            asset=top_up.asset,
            network=top_up.network,
            address=offer.address.address,
            memo=offer.address.memo,
            fiat_amount=top_up.fiat_amount,
            url=offer.widget_url,
            created_at=now,
            offered_until=now + OFFERED if until is None else min(now + OFFERED, until),
        )
    )
    record(db, top_up, CREATED, evidence=Evidence(StepSource.USER, now, Act.CREATED, actor=user_id))
    await db.flush()
    return top_up


async def may_begin(viewer: Viewer) -> None:
    """Refuse a person who cannot begin a top-up now, as `store` would under the person's lock.

    An unconfirmed email address is no reason here: such a person may see every price, and is refused when
    they begin a top-up.

    Raises:
        AccountFrozen, KycRequired, TooManyOpenTopUps: why not.
    """
    async with transaction() as db:
        await _check_person(db, await db.get_one(User, viewer.user_id))


def _require_confirmed(*, is_confirmed: bool) -> None:
    if get_settings().require_confirmed_email and not is_confirmed:
        raise EmailNotConfirmed("Open the link in the email that we sent you, then try again.")


async def _check_person(db: AsyncSession, person: User) -> None:
    if person.closed_at is not None:
        raise Unauthenticated("The account is closed.")
    if person.frozen_at is not None:
        raise AccountFrozen("Your account is frozen. Write to support.")
    if person.kyc_status == KycStatus.REJECTED:
        raise KycRequired(
            "Your verification was not accepted, so money cannot be added.", extra=_next_step(person)
        )
    open_ones = select(func.count()).where(
        TopUp.user_id == person.id, col(TopUp.status).in_([status.value for status in OPEN])
    )
    if (await db.exec(open_ones)).one() >= MAX_OPEN:
        raise TooManyOpenTopUps(f"Finish or cancel one of your {MAX_OPEN} open top-ups first.")


async def _check_limits(db: AsyncSession, person: User, offer: Offer, now: datetime) -> None:
    tier = limits.tier_limits(get_settings().limits, person.kyc_tier)
    if not limits.is_limited(tier):
        return
    request = offer.quote.request
    base_amount = limits.in_base(request.fiat_amount, request.fiat_currency, rates=offer.rates)
    already = await limits.used_amounts(db, person.id, at=now)
    rest = limits.left(tier, already, rates=offer.rates)
    if rest is not None and base_amount > rest:
        rate = offer.rates[request.fiat_currency]
        decimals = ADAPTER.fiat_types[offer.quote.fiat_type].decimals
        refusal = limits.over_limit_refusal(rest, rate=rate, decimals=decimals, least=offer.least)
        higher = limits.tier_that_allows(base_amount, person.kyc_tier, already, rates=offer.rates)
        if higher is not None:
            raise _tier_too_low(person, higher, refusal)
        raise refusal


def _tier_too_low(person: User, tier: KycTier, refusal: AmountOutOfLimits) -> TierTooLow:
    return TierTooLow(
        "The amount is more than you may add before you are verified further.",
        extra={**refusal.extra, "tier": tier.value, **_next_step(person)},
    )


def _next_step(person: User) -> dict[str, object]:
    found = next_step_view(standing_of(person)) or NextStepView.support()
    return {"next_step": {"action": found.action.value, "url": found.url}}


async def cancel(viewer: Viewer, top_up_id: str) -> TopUpView:
    """Cancel a top-up and end its offer. A payment that is made nevertheless is still credited.

    Raises:
        NotFound: there is no such top-up, or it is somebody else's.
        NotCancelable: a payment was claimed, or the top-up has ended.
    """
    async with traced("cancel"), transaction(TOP_UP) as db:
        top_up = await own(db, viewer.user_id, top_up_id, lock=True)
        step = on_action(state_of(top_up), Action.CANCEL)
        if step is None:
            raise NotCancelable("A payment was started or this top-up has ended, so it cannot be canceled.")
        now = await moment_of(db)
        evidence = Evidence(StepSource.USER, now, ACT_OF[Action.CANCEL], actor=viewer.user_id)
        record(db, top_up, step.state, evidence=evidence)
        await db.exec(
            update(WidgetRecord)
            .where(col(WidgetRecord.top_up_id) == top_up.id, col(WidgetRecord.offered_until) > now)
            .values(offered_until=now)
        )
        await db.flush()
        view = await view_of(db, top_up, at=now)
    announce_changes([viewer.user_id])
    return view
