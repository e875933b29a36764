"""Applies a batch of orders: what each does to its top-up, the ledger and the open cases.

The transition table (`top_ups.transitions`) decides. A batch turns the steps into rows, and collects the
ledger's postings and the cases to open and to close, so that each takes one call.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.words import KycStatus
from onramp_app.cases.cases import Concern
from onramp_app.cases.words import CaseKind
from onramp_app.chain.evidence import Fit
from onramp_app.config import get_settings
from onramp_app.crediting.answers import OF_NETWORK, OF_NO_OWNER, answered_without_owner
from onramp_app.crediting.booked import Booked, Into, booked_of
from onramp_app.crediting.context import Context, rank_of
from onramp_app.crediting.delivery import JudgedDelivery, Symbols, is_over_delivery, judge_delivery
from onramp_app.crediting.proofs import Proofs
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id
from onramp_app.domain.money import amount_text, from_minor
from onramp_app.ledger import instructions
from onramp_app.ledger.transfers import Cause, Instruction
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import Flow, StatusClass
from onramp_app.telemetry.trace import trace_of
from onramp_app.top_ups.limits import (
    count_in_base,
    is_limited,
    kept_rates,
    paid_in_base,
    tier_limits,
    why_over_limit,
)
from onramp_app.top_ups.moves import Evidence, note_paid, record, state_of
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import (
    CREATED,
    Act,
    Posting,
    Reason,
    State,
    Step,
    TopUpStatus,
    on_order,
)
from onramp_app.treasury.places import places_of

# How often an order with an unreadable amount is read again, with back-off, before it needs a person.
REREADS = 3
REREAD_SECONDS = 2


class Batch:
    """Takes orders one after the other and collects what follows from them.

    Afterwards the caller posts `instructions`, opens cases for `concerns`, closes those of `answered`, and
    notifies `users` (ids) that their top-ups or balances changed. `booked` are the deliveries booked.
    """

    def __init__(
        self,
        db: AsyncSession,
        context: Context,
        *,
        symbols: Symbols,
        environment: Environment,
        at: datetime,
    ) -> None:
        self._db = db
        self._context = context
        self._symbols = symbols
        self._environment = environment
        self.began_at = self._at = at
        self._places = places_of(get_settings())
        self.instructions: list[Instruction] = []
        self.concerns: list[Concern] = []
        self.answered: list[Concern] = []
        self.users: set[str] = set()
        self.booked: list[Booked] = []
        self._kept_rates: Mapping[str, Decimal] | None = None
        self._proofs = Proofs(db, context.evidence, at=at)

    async def take(self, order: OrderRecord) -> None:
        """Apply one order. Sell and swap orders only count as applied."""
        if order.flow == Flow.BUY.value:
            judged = self._judge(order)
            is_unreadable = judged is not None and judged.reason is Reason.AMOUNT_UNREADABLE
            if is_unreadable and not self._proofs.is_asked(order) and order.apply_failures < REREADS:
                self._read_again(order)
                return
            if judged is not None:
                self._note_judged(order, judged)
            top_up = self._context.top_ups.get(self._context.top_up_of.get(order.id, ""))
            # Only an operator takes money out of suspense, even if an owner becomes known later.
            is_in_suspense = order.delivered_minor is not None and order.top_up_id is None
            if top_up is None or is_in_suspense:
                self._take_ownerless(order, judged)
            else:
                await self._take_owned(order, top_up, judged)
        if rank_of(order.status_class) >= StatusClass.PAID.rank:
            self._answer(CaseKind.NOT_FOUND, order, detail="the provider shows it")
        if order.apply_failures:
            self._answer(CaseKind.APPLY_FAILED, order, detail="applied")
        order.applied_version = order.version
        order.apply_after, order.apply_failures, order.apply_error = None, 0, None
        if order.due_at is None:
            order.trace, order.hinted_at = None, None
        self._db.add(order)

    def _judge(self, order: OrderRecord) -> JudgedDelivery | None:
        """Judge a delivery that is not booked yet; None for a booked one, whose judgement stays."""
        if order.status_class != StatusClass.DELIVERED.value or order.delivered_minor is not None:
            return None
        issued = self._context.places.get(order.recognition_id or "")
        judged = judge_delivery(
            order,
            settings=get_settings(),
            symbols=self._symbols,
            scales=self._context.scales,
            places=[*self._places, *([issued] if issued else [])],
        )
        if judged.place is None:
            return judged
        if self._proofs.let_go(order, judged.place):
            for kind in OF_NETWORK:
                self._answer(kind, order, detail=f"nobody asks {judged.place.network} any more")
        scale = self._context.scales[judged.place.asset]
        return self._proofs.prove(order, judged, judged.place, scale=scale)

    def _read_again(self, order: OrderRecord) -> None:
        wait = timedelta(seconds=REREAD_SECONDS * 2**order.apply_failures)
        order.due_at = self._at + wait / 2
        order.apply_after = self._at + wait
        order.apply_failures += 1
        order.apply_error = "the amount cannot be told; it is read again"
        self._db.add(order)

    def _note_judged(self, order: OrderRecord, judged: JudgedDelivery) -> None:
        order.asset, order.network = judged.asset, judged.network
        order.is_ours = judged.place is not None
        order.delivered_rule = get_settings().onramp_delivered_rule if order.is_ours else None

    # Orders without an owner

    def _take_ownerless(self, order: OrderRecord, judged: JudgedDelivery | None) -> None:
        for kind in answered_without_owner(order, judged):
            self._answer(kind, order, detail=str(order.status_class))
        if order.status_class == StatusClass.UNKNOWN.value:
            self._find(CaseKind.UNKNOWN_STATUS, order, detail=_status_text(order))
        if judged is None or judged.is_awaited:
            return
        if judged.place is None:
            self._find(CaseKind.NOT_OURS, order, detail="delivered to an address that is not ours")
        elif judged.reason is Reason.CHAIN_MISSING:
            self._find(CaseKind.CHAIN_MISSING, order, detail=self._proofs.why(order))
        elif judged.minor is None:
            self._find(CaseKind.RECORD_UNREADABLE, order, detail="the delivered amount cannot be told")
        else:
            delivery = self._delivery(order, judged)
            cause = Cause(self._source(order))
            self.instructions.append(instructions.receive_suspense(delivery, cause=cause))
            self._keep_amount(order, judged)
            self.booked.append(booked_of(order, Into.SUSPENSE))
            detail = f"{self._amount(judged)} arrived, and nobody knows whose it is"
            detail += f" ({judged.note})" if judged.note else ""
            self._find(CaseKind.SUSPENSE, order, detail=detail)

    # Orders of a top-up

    async def _take_owned(self, order: OrderRecord, top_up: TopUp, judged: JudgedDelivery | None) -> None:
        if order.top_up_id is None and order.version > 1:  # An earlier read may have named no owner.
            for kind in OF_NO_OWNER:
                self._answer(kind, order, detail=f"it belongs to top-up {top_up.id}")
        order.top_up_id = top_up.id
        if judged is not None and judged.is_awaited and top_up.has_entry:
            return  # A second payment is recorded only once its network shows it.
        status_class = StatusClass(order.status_class or StatusClass.UNKNOWN)
        hold, why = await self._hold(order, top_up, judged) if judged else (None, "")
        rounded = judged.note if judged else ""
        notes = "; ".join(word for word in (why, rounded, self._proofs.note(order, judged)) if word)
        detail = f"{status_class.value}: {notes}" if notes else status_class.value
        is_to_be_booked = judged is not None and judged.minor is not None
        if self._context.last_read.get(order.id) == (status_class, hold) and not is_to_be_booked:
            note_paid(top_up, order)
            return
        step = on_order(
            state_of(top_up),
            status_class,
            hold=hold,
            is_awaited=judged is not None and judged.is_awaited,
            is_other_order=top_up.best_order_id != order.id,
            best_other_rank=self._best_other_rank(order, top_up),
        )
        if step.needs_linked and judged is not None:
            self._record(
                order,
                top_up,
                step,
                act=Act.LINKED,
                hold=hold,
                detail=f"{detail}, a top-up of its own was made of it",
            )
            top_up = await self._linked(order, top_up)
            order.top_up_id = top_up.id
            step = on_order(CREATED, status_class, hold=hold)
        await self._do(order, top_up, step, judged=judged, hold=hold, detail=detail)

    async def _do(  # noqa: PLR0913 - what was read of what, and what follows from it
        self,
        order: OrderRecord,
        top_up: TopUp,
        step: Step,
        *,
        judged: JudgedDelivery | None,
        hold: Reason | None,
        detail: str,
    ) -> None:
        before = state_of(top_up)
        if step.posting is not None and judged is not None:
            self._book(order, top_up, step.posting, judged=judged)
            top_up.best_order_id = order.id
        elif not before.has_entry and self._is_best(order, top_up):
            top_up.best_order_id = order.id
        self._record(order, top_up, step, act=Act.READ, hold=hold, detail=detail)
        note_paid(top_up, order)
        self._raise_and_answer(order, top_up, step, before=before, detail=detail)

    def _book(self, order: OrderRecord, top_up: TopUp, posting: Posting, *, judged: JudgedDelivery) -> None:
        receive = (
            instructions.receive_available
            if posting is Posting.RECEIVE_AVAILABLE
            else instructions.receive_held
        )
        self.instructions.append(
            receive(
                self._delivery(order, judged),
                user_id=top_up.user_id,
                top_up_id=top_up.id,
                cause=Cause(self._source(order)),
            )
        )
        self._keep_amount(order, judged)
        top_up.received_minor, top_up.received_asset = judged.minor, judged.asset
        into = Into.AVAILABLE if posting is Posting.RECEIVE_AVAILABLE else Into.HELD
        self.booked.append(booked_of(order, into, top_up))

    def _keep_amount(self, order: OrderRecord, judged: JudgedDelivery) -> None:
        order.delivered_minor = judged.minor
        if judged.fit not in (None, Fit.AS_RECORDED):
            self._proofs.mark_differing(order)
        if judged.fit is Fit.LESS:
            detail = f"{self._amount(judged)} arrived, less than the provider's record says"
            self._find(CaseKind.CHAIN_DIFFERS, order, detail=detail)

    def _record(  # noqa: PLR0913 - what was read of what, and what follows from it
        self, order: OrderRecord, top_up: TopUp, step: Step, *, act: Act, hold: Reason | None, detail: str
    ) -> None:
        evidence = Evidence(
            self._source(order),
            self._at,
            act,
            status_class=StatusClass(order.status_class or StatusClass.UNKNOWN),
            hold=hold,
            detail=detail,
            provider_order_id=order.id,
            order_version=order.version,
            order_id=order.order_id,
            trace=trace_of(order.trace),
        )
        record(self._db, top_up, step.state, evidence=evidence)
        self.users.add(top_up.user_id)

    def _raise_and_answer(
        self, order: OrderRecord, top_up: TopUp, step: Step, *, before: State, detail: str
    ) -> None:
        was_review, is_review = (
            state.status is TopUpStatus.IN_REVIEW and not state.has_entry for state in (before, step.state)
        )
        if was_review and not is_review:
            self._answer(CaseKind.IN_REVIEW, top_up, detail=detail)
        if step.is_alarm:
            self._find(CaseKind.UNKNOWN_STATUS, order, top_up=top_up, detail=_status_text(order))
        elif self._context.last_read.get(order.id) == (StatusClass.UNKNOWN, None):
            self._answer(CaseKind.UNKNOWN_STATUS, order, detail=detail)
        if not step.opens_case:
            return
        if step.posting is Posting.RECEIVE_HELD:
            self._find(CaseKind.HELD, order, top_up=top_up, detail=detail)
        elif step.state.status is TopUpStatus.SETTLED:
            self._find(CaseKind.FAILED_AFTER_SETTLED, order, top_up=top_up, detail=detail)
        else:
            self._find(CaseKind.IN_REVIEW, order, top_up=top_up, detail=detail)

    async def _hold(
        self, order: OrderRecord, top_up: TopUp, judged: JudgedDelivery
    ) -> tuple[Reason | None, str]:
        """Return why the delivery may not simply be credited, None if it may, and the same in words."""
        if judged.is_awaited:
            return None, ""
        if judged.reason is not None or judged.minor is None or judged.asset is None:
            reason = judged.reason or Reason.AMOUNT_UNREADABLE
            return reason, reason.value
        settings = get_settings()
        user: User = self._context.users[top_up.user_id]
        scale = self._context.scales[judged.asset]
        tolerance = settings.onramp_tolerance_percent
        if (judged.asset, judged.network) != (top_up.asset, top_up.network):
            reason = Reason.WRONG_ASSET
        elif user.closed_at is not None or user.frozen_at is not None:
            reason = Reason.ACCOUNT_FROZEN
        elif user.kyc_status == KycStatus.REJECTED.value:
            reason = Reason.KYC_REJECTED
        elif judged.fit is Fit.MORE:
            reason = Reason.CHAIN_DIFFERS
        elif is_over_delivery(order, judged.minor, scale=scale, tolerance_percent=tolerance):
            reason = Reason.OVER_DELIVERY
        elif settings.onramp_settlement == "review":
            reason = Reason.SETTLEMENT_REVIEW
        elif not is_limited(tier_limits(settings.limits, user.kyc_tier)):
            return None, ""
        else:
            delivered = (from_minor(judged.minor, scale=scale), judged.asset)
            paid = paid_in_base(order, top_up, rates=await self._rates(), delivered=delivered)
            words = await why_over_limit(
                self._db, user, top_up=top_up, paid=paid, rates=await self._rates(), at=self._at
            )
            return (Reason.OVER_LIMIT, words) if words else (None, "")
        # The operator who decides must know that the owner cannot be asked any more.
        return reason, reason.value if user.closed_at is None else f"{reason.value}, the account is closed"

    async def _rates(self) -> Mapping[str, Decimal]:
        if self._kept_rates is None:
            self._kept_rates = await kept_rates(self._db)
        return self._kept_rates

    async def _linked(self, order: OrderRecord, original: TopUp) -> TopUp:
        """Create a top-up for a second delivered order of the original top-up."""
        linked = TopUp(
            id=new_id(),
            user_id=original.user_id,
            environment=original.environment,
            fiat_amount=original.fiat_amount if order.fiat_amount is None else order.fiat_amount,
            fiat_currency=order.fiat_currency or original.fiat_currency,
            fiat_type=original.fiat_type if order.fiat_type is None else order.fiat_type,
            asset=original.asset,
            network=original.network,
            payment_method=original.payment_method,
            expected_amount=order.expected_amount,
            linked_to=original.id,
            created_at=self._at,
            updated_at=self._at,
        )
        count_in_base(linked, rates=await self._rates())
        self._db.add(linked)
        await self._db.flush()
        self._context.top_ups[linked.id] = linked
        return linked

    def _best_other_rank(self, order: OrderRecord, top_up: TopUp) -> int:
        ranks = self._context.ranks.get(top_up.id, {})
        return max((rank for order_id, rank in ranks.items() if order_id != order.id), default=0)

    def _is_best(self, order: OrderRecord, top_up: TopUp) -> bool:
        best = self._context.ranks.get(top_up.id, {}).get(top_up.best_order_id or "", 0)
        return top_up.best_order_id is None or rank_of(order.status_class) >= best

    def _delivery(self, order: OrderRecord, judged: JudgedDelivery) -> instructions.Delivery:
        place = judged.place
        if place is None or judged.minor is None:
            raise ValueError("what is not ours, or has no amount, is never booked")
        return instructions.Delivery(
            environment=self._environment,
            provider_order_id=order.id,
            order_id=order.order_id,
            asset=place.asset,
            network=place.network,
            address=place.spelled,
            amount_minor=judged.minor,
        )

    def _source(self, order: OrderRecord) -> StepSource:
        """Return where the news came from: the network, a read caused by a webhook, or a regular read."""
        if self._proofs.has_answered(order):
            return StepSource.CHAIN
        return StepSource.WEBHOOK_READ if order.order_id in self._context.hinted else StepSource.POLL

    def _amount(self, judged: JudgedDelivery) -> str:
        if judged.minor is None or judged.asset is None:
            return ""
        return f"{amount_text(judged.minor, scale=self._context.scales[judged.asset])} {judged.asset}"

    def _find(self, kind: CaseKind, order: OrderRecord, *, detail: str, top_up: TopUp | None = None) -> None:
        top_up_id = top_up.id if top_up else None
        self.concerns.append(Concern(kind, top_up_id=top_up_id, provider_order_id=order.id, detail=detail))

    def _answer(self, kind: CaseKind, of: OrderRecord | TopUp, *, detail: str) -> None:
        """Note that the case is to be closed, and drop it if an earlier order of this batch raised it."""
        name = "top_up_id" if isinstance(of, TopUp) else "provider_order_id"
        self.answered.append(Concern(kind, **{name: of.id}, detail=detail))
        self.concerns = [one for one in self.concerns if (one.kind, getattr(one, name)) != (kind, of.id)]


def _status_text(order: OrderRecord) -> str:
    return f"status {order.status_text if order.status_number is None else order.status_number}"
