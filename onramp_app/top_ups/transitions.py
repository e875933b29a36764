"""The state machine of a top-up: its states, and what each event does to each. Pure; see docs/money.md.

Only a signed read of the provider, the user, the clock or an operator moves a top-up. Nothing here knows the
ledger: a step says what has to be posted, and the caller posts it in the same transaction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from onramp_app.providers.status import StatusClass


class TopUpStatus(StrEnum):
    """The status of a top-up, in the words of the public contract."""

    CREATED = "created"
    AWAITING_PAYMENT = "awaiting_payment"
    PROCESSING = "processing"
    SETTLED = "settled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    FAILED = "failed"
    IN_REVIEW = "in_review"
    REVERSED = "reversed"


class Reason(StrEnum):
    """Why a top-up has its status, when that is not the ordinary course."""

    ABANDONED = "abandoned"
    TIMED_OUT = "timed_out"
    NAME_MISMATCH = "name_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    WRONG_ADDRESS = "wrong_address"
    WRONG_ASSET = "wrong_asset"
    OVER_LIMIT = "over_limit"
    OVER_DELIVERY = "over_delivery"
    ACCOUNT_FROZEN = "account_frozen"
    KYC_REJECTED = "kyc_rejected"
    AMOUNT_UNREADABLE = "amount_unreadable"
    UNKNOWN_STATUS = "unknown_status"
    RETURNED = "returned"
    CHAIN_MISSING = "chain_missing"
    CHAIN_DIFFERS = "chain_differs"
    SETTLEMENT_REVIEW = "settlement_review"


class Charged(StrEnum):
    """Whether the person was charged, as far as signed reads have shown."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class Posting(StrEnum):
    """What a step asks the ledger to post."""

    RECEIVE_AVAILABLE = "receive_available"
    RECEIVE_HELD = "receive_held"
    RELEASE = "release"
    RETURN = "return"
    REVERSE = "reverse"
    UNDO_REVERSE = "undo_reverse"


# Why a delivery to us is not usable yet: it is booked, and held until an operator decides.
HOLD_REASONS = frozenset(
    {
        Reason.WRONG_ASSET,
        Reason.OVER_LIMIT,
        Reason.OVER_DELIVERY,
        Reason.ACCOUNT_FROZEN,
        Reason.KYC_REJECTED,
        Reason.CHAIN_DIFFERS,
        Reason.SETTLEMENT_REVIEW,
    }
)
# Why a delivery is not booked: it went to another address, its amount is unreadable, or the network does not
# show it.
NO_ENTRY_REASONS = frozenset({Reason.WRONG_ADDRESS, Reason.AMOUNT_UNREADABLE, Reason.CHAIN_MISSING})

_FINAL_WITH_ENTRY = frozenset({TopUpStatus.SETTLED, TopUpStatus.REVERSED})
# For the unpaid ones no money has been seen. For all open ones, money may arrive without anybody's action.
UNPAID = (TopUpStatus.CREATED, TopUpStatus.AWAITING_PAYMENT)
OPEN = (*UNPAID, TopUpStatus.PROCESSING)
# These ended without money; a late payment reopens them.
ENDED_UNPAID = (TopUpStatus.CANCELED, TopUpStatus.EXPIRED, TopUpStatus.FAILED)


def sql_words(statuses: Iterable[TopUpStatus]) -> str:
    """Return statuses as the list of an SQL `IN`, such as `'created', 'awaiting_payment'`.

    A partial index is used only where the statement has the same literals as the index's condition, not
    parameters.
    """
    return ", ".join(f"'{status.value}'" for status in statuses)


OPEN_SQL = sql_words(OPEN)


def can_cancel(status: TopUpStatus, charged: Charged) -> bool:
    """Return whether the user may cancel: nobody has claimed a payment yet."""
    return status in UNPAID and charged is Charged.NO


@dataclass(frozen=True, slots=True)
class State:
    """The part of a top-up that decides how it moves.

    `has_entry`: its delivery is in the ledger. This tells a review of held money from one in which nothing
    was booked. `rank` is the highest progress that any of its orders has shown.
    """

    status: TopUpStatus
    reason: Reason | None = None
    charged: Charged = Charged.NO
    rank: int = 0
    has_entry: bool = False

    def __post_init__(self) -> None:
        """Refuse combinations that no sequence of events leads to."""
        if self.status in _FINAL_WITH_ENTRY and not self.has_entry:
            raise ValueError(f"a {self.status} top-up has an entry in the ledger")
        if self.has_entry and self.status not in _FINAL_WITH_ENTRY | {TopUpStatus.IN_REVIEW}:
            raise ValueError(f"a {self.status} top-up has no entry in the ledger")

    @property
    def can_cancel(self) -> bool:
        """Whether the user may cancel: nobody has claimed a payment yet."""
        return can_cancel(self.status, self.charged)


CREATED = State(TopUpStatus.CREATED)


@dataclass(frozen=True, slots=True)
class Step:
    """The result of an event: the new state, and what else the caller has to do.

    `posting`: to be posted in the same transaction. `opens_case`: a person must look at it. `is_alarm`: alert
    the operator to something the code does not know. `needs_linked`: create a top-up for a second delivery. A
    step with none of these and an unchanged state is only recorded.
    """

    state: State
    posting: Posting | None = None
    opens_case: bool = False
    is_alarm: bool = False
    needs_linked: bool = False


def on_order(  # noqa: PLR0913 - what was read, and what else decides
    state: State,
    status_class: StatusClass,
    *,
    hold: Reason | None = None,
    is_awaited: bool = False,
    is_other_order: bool = False,
    best_other_rank: int = 0,
) -> Step:
    """Return what a signed read of one provider order does to its top-up.

    Args:
        state: the top-up's state before the read.
        status_class: the order's class.
        hold: for a delivery, why it may not simply be credited: one of `HOLD_REASONS` or `NO_ENTRY_REASONS`.
        is_awaited: for a delivery, whether its network has yet to show it; until then it counts as sending.
        is_other_order: another order of this top-up was posted before this one.
        best_other_rank: the highest rank among the other orders of this top-up. A top-up follows its best
            order, so the end of this order does not end a top-up whose other order has progressed further.
    """
    match status_class:
        case StatusClass.DELIVERED:
            return _on_delivery(state, hold=hold, is_awaited=is_awaited, is_other_order=is_other_order)
        case StatusClass.OPENED | StatusClass.CLAIMED:
            return _on_intent(state, status_class)
        case StatusClass.PAID | StatusClass.BUYING | StatusClass.BOUGHT | StatusClass.SENDING:
            return _on_payment(state, status_class)
        case StatusClass.TIMED_OUT | StatusClass.ABANDONED:
            return _on_no_payment(state, status_class, best_other_rank=best_other_rank)
        case StatusClass.NAME_MISMATCH | StatusClass.AMOUNT_MISMATCH:
            return _on_mismatch(state, status_class, best_other_rank=best_other_rank)
        case StatusClass.UNKNOWN:
            # Whatever the status means, we can no longer say that the person was not charged.
            return Step(_doubted(state) if state.status in UNPAID else state, is_alarm=True)


def _doubted(state: State) -> State:
    return state if state.charged is Charged.YES else replace(state, charged=Charged.UNKNOWN)


def _on_delivery(state: State, *, hold: Reason | None, is_awaited: bool, is_other_order: bool) -> Step:
    if is_awaited:
        return _on_payment(state, StatusClass.SENDING)
    if state.has_entry:
        return Step(state, needs_linked=is_other_order)
    seen = replace(state, rank=StatusClass.DELIVERED.rank, charged=Charged.YES)
    if hold is None:
        settled = replace(seen, status=TopUpStatus.SETTLED, reason=None, has_entry=True)
        return Step(settled, posting=Posting.RECEIVE_AVAILABLE)
    in_review = replace(seen, status=TopUpStatus.IN_REVIEW, reason=hold)
    if hold in HOLD_REASONS:
        return Step(replace(in_review, has_entry=True), posting=Posting.RECEIVE_HELD, opens_case=True)
    if hold in NO_ENTRY_REASONS:
        return Step(in_review, opens_case=True)
    raise ValueError(f"{hold} is not a reason to withhold a delivery")


def _on_intent(state: State, status_class: StatusClass) -> Step:
    if state.status not in UNPAID:
        return Step(state)
    seen = replace(state, status=TopUpStatus.AWAITING_PAYMENT, rank=max(state.rank, status_class.rank))
    if status_class is StatusClass.CLAIMED:
        seen = replace(seen, charged=Charged.UNKNOWN)
    return Step(seen)


def _on_payment(state: State, status_class: StatusClass) -> Step:
    if state.has_entry:
        return Step(state)
    rank = max(state.rank, status_class.rank)
    return Step(replace(state, status=TopUpStatus.PROCESSING, reason=None, charged=Charged.YES, rank=rank))


def _on_no_payment(state: State, status_class: StatusClass, *, best_other_rank: int) -> Step:
    reason = Reason.TIMED_OUT if status_class is StatusClass.TIMED_OUT else Reason.ABANDONED
    if state.status in UNPAID:
        if best_other_rank > 0:
            return Step(state)
        ended = TopUpStatus.EXPIRED if reason is Reason.TIMED_OUT else TopUpStatus.CANCELED
        return Step(replace(state, status=ended, reason=reason))
    if state.status is TopUpStatus.PROCESSING and best_other_rank < StatusClass.PAID.rank:
        return Step(replace(state, status=TopUpStatus.IN_REVIEW, reason=reason), opens_case=True)
    return Step(state, opens_case=state.status is TopUpStatus.SETTLED)


def _on_mismatch(state: State, status_class: StatusClass, *, best_other_rank: int) -> Step:
    if state.status is TopUpStatus.PROCESSING and best_other_rank >= StatusClass.PAID.rank:
        return Step(state, opens_case=True)
    if state.status in (*OPEN, *ENDED_UNPAID):
        # Either mismatch may mean that money was received, so whether the person was charged is unknown.
        reason = Reason(status_class.value)
        in_review = replace(_doubted(state), status=TopUpStatus.IN_REVIEW, reason=reason)
        return Step(in_review, opens_case=True)
    return Step(state, opens_case=state.status is TopUpStatus.SETTLED)


class Action(StrEnum):
    """What a person or the clock can do to a top-up."""

    CANCEL = "cancel"
    EXPIRE = "expire"
    GIVE_UP_UNKNOWN = "give_up_unknown"
    RELEASE = "release"
    RETURN = "return"
    CLOSE = "close"
    REVERSE = "reverse"
    UNDO_REVERSE = "undo_reverse"


class Act(StrEnum):
    """What a line of a top-up's timeline records.

    `READ` is a signed read of a provider order, `LINKED` a read whose delivery became a separate top-up.
    `CREDITED` is a delivery that an operator credited while its network could not be read. The others are
    acts of the user (`CREATED`, `CANCELED`), the clock (`EXPIRED`, `GIVEN_UP`) or an operator.
    """

    CREATED = "created"
    READ = "read"
    LINKED = "linked"
    CANCELED = "canceled"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"
    RELEASED = "released"
    RETURNED = "returned"
    CLOSED = "closed"
    REVERSED = "reversed"
    REVERSAL_UNDONE = "reversal_undone"
    ATTRIBUTED = "attributed"
    CREDITED = "credited"


ACT_OF: Mapping[Action, Act] = {
    Action.CANCEL: Act.CANCELED,
    Action.EXPIRE: Act.EXPIRED,
    Action.GIVE_UP_UNKNOWN: Act.GIVEN_UP,
    Action.RELEASE: Act.RELEASED,
    Action.RETURN: Act.RETURNED,
    Action.CLOSE: Act.CLOSED,
    Action.REVERSE: Act.REVERSED,
    Action.UNDO_REVERSE: Act.REVERSAL_UNDONE,
}


def on_action(state: State, action: Action) -> Step | None:  # noqa: PLR0911 - one answer an action
    """Return what an action does to a top-up, or None when it is not possible in this state.

    `CANCEL` is the user's; `EXPIRE` (too long without an order or a change) and `GIVE_UP_UNKNOWN` (an unknown
    status for a day) are the clock's; the others are an operator's.
    """
    is_held = state.status is TopUpStatus.IN_REVIEW and state.has_entry
    match action:
        case Action.CANCEL if state.can_cancel:
            return Step(replace(state, status=TopUpStatus.CANCELED, reason=None))
        case Action.EXPIRE if state.status in UNPAID:
            return Step(replace(state, status=TopUpStatus.EXPIRED, reason=None))
        case Action.GIVE_UP_UNKNOWN if state.status in OPEN:
            in_review = replace(_doubted(state), status=TopUpStatus.IN_REVIEW, reason=Reason.UNKNOWN_STATUS)
            return Step(in_review, opens_case=True)
        case Action.RELEASE if is_held:
            return Step(replace(state, status=TopUpStatus.SETTLED, reason=None), posting=Posting.RELEASE)
        case Action.RETURN if is_held:
            returned = replace(state, status=TopUpStatus.REVERSED, reason=Reason.RETURNED)
            return Step(returned, posting=Posting.RETURN)
        case Action.CLOSE if state.status is TopUpStatus.IN_REVIEW and not state.has_entry:
            # Closed means refunded by the provider or never charged: either way the person has their money.
            return Step(replace(state, status=TopUpStatus.FAILED, charged=Charged.NO))
        case Action.REVERSE if state.status is TopUpStatus.SETTLED:
            return Step(replace(state, status=TopUpStatus.REVERSED), posting=Posting.REVERSE)
        # Returned money was never the user's to spend; only the reversal of settled money can be undone.
        case Action.UNDO_REVERSE if state.status is TopUpStatus.REVERSED and state.reason is None:
            return Step(replace(state, status=TopUpStatus.SETTLED), posting=Posting.UNDO_REVERSE)
        case _:
            return None
