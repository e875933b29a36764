"""What a receipt states about one transaction, in no language: read from the books, never from a page.

Only what is fixed by then or changes with the transaction itself is hashed into the receipt's code, so that
the same receipt has the same code for ever, and one of a transaction that has moved on is known as old.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.ledger.tables import LedgerTransfer
from onramp_app.ledger.words import TransactionKind
from onramp_app.pricing.quotes import QuoteView
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Charged
from onramp_app.top_ups.views import TopUpView, view_of
from onramp_app.wallet.transactions import transfer_of

DIGEST_BYTES = 7


@dataclass(frozen=True, slots=True)
class Amount:
    """A decimal string, and its currency or asset. A change of a balance has a sign."""

    number: str
    unit: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose transaction it is, as the account is named today; both empty for a closed account."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class TopUpFacts:
    """What only a top-up has. `status`, `reason` and `charged` are words of `top_ups.transitions`.

    `paid` is None while the provider has not said what was paid; `quote` is None for one made of a second
    delivery. `method` and `network` are the provider's codes.
    """

    status: str
    reason: str | None
    charged: str
    asked: Amount
    paid: Amount | None
    method: str
    network: str
    quote: QuoteView | None
    provider_order: str
    transaction_hash: str


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a receipt states.

    `kind` is `top_up`, or a word of `ledger.words.TransferKind`; `top_up` is None exactly for the latter.
    `amount` is what was booked, None while nothing was. `settled_at` is when it was booked. `belongs_to` is
    the id of the top-up that a transfer belongs to, or "". Of a debit, `description` is what the program
    wrote, and `price` the amount of a currency that was taken at `rate`: neither is part of the code.
    """

    id: str
    environment: str
    kind: str
    asset: str
    amount: Amount | None
    created_at: datetime
    settled_at: datetime | None
    top_up: TopUpFacts | None
    belongs_to: str
    holder: Holder
    description: str = ""
    price: Amount | None = None
    rate: str = ""

    def digest(self) -> bytes:
        """Return the hash of what must not change unnoticed.

        The holder may take another name, and hash and order of a payment may be shown later by the provider:
        none of these makes an old receipt wrong.
        """
        top_up = self.top_up
        fixed = [
            self.id,
            self.environment,
            self.kind,
            self.asset,
            _pair(self.amount),
            _second(self.created_at),
            _second(self.settled_at),
            self.belongs_to,
            top_up
            and [
                top_up.status,
                top_up.reason,
                top_up.charged,
                _pair(top_up.asked),
                _pair(top_up.paid),
                top_up.method,
                top_up.network,
            ],
        ]
        return hashlib.sha256(json.dumps(fixed).encode()).digest()[:DIGEST_BYTES]


def _pair(amount: Amount | None) -> list[str] | None:
    return None if amount is None else [amount.number, amount.unit]


def _second(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


async def facts_of(viewer: Viewer, transaction_id: str) -> ReceiptFacts:
    """Return what a receipt of one of the viewer's transactions states.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = await facts_for_check(transaction_id, user_id=viewer.user_id)
    if found is None:
        raise NotFound("There is no such transaction.")
    return found


async def facts_for_check(transaction_id: str, *, user_id: str | None) -> ReceiptFacts | None:
    """Return what a receipt states; None where there is no such transaction.

    With None as `user_id` it may be anybody's: only for a code that this application has signed.
    """
    if not is_id(transaction_id):
        return None
    async with transaction() as db:
        top_up = await db.get(TopUp, transaction_id)
        if top_up is not None:
            if user_id not in (None, top_up.user_id):
                return None
            view = await view_of(db, top_up, at=clock.now())
            return _of_top_up(view, top_up.environment, await _holder(db, top_up.user_id))
        return await _of_transfer(db, transaction_id, user_id=user_id)


async def _of_transfer(db: AsyncSession, transfer_id: str, *, user_id: str | None) -> ReceiptFacts | None:
    query = select(LedgerTransfer.user_id, LedgerTransfer.environment).where(
        col(LedgerTransfer.id) == transfer_id
    )
    owner, environment = (await db.exec(query)).first() or (None, "")
    if owner is None or user_id not in (None, owner):
        return None
    view = await transfer_of(db, owner, transfer_id)
    if view is None:
        return None
    return ReceiptFacts(
        id=transfer_id,
        environment=environment,
        kind=view.kind,
        asset=view.asset,
        amount=Amount(view.amount, view.asset),
        created_at=view.created_at,
        settled_at=view.created_at,
        top_up=None,
        belongs_to=view.top_up_id or "",
        holder=await _holder(db, owner),
        description=view.description or "",
        price=Amount(*view.price[:2]) if view.price else None,
        rate=view.price[2] if view.price else "",
    )


def _of_top_up(view: TopUpView, environment: str, holder: Holder) -> ReceiptFacts:
    best = next((one for one in view.provider_orders if one.order_id == view.provider_order_id), None)
    paid = None
    # An order states the amount that it asks for, until it says that this was paid.
    if view.charged == Charged.YES and best is not None and best.fiat_amount and best.fiat_currency:
        paid = Amount(best.fiat_amount, best.fiat_currency)
    booked = None
    if view.booked_amount is not None and view.booked_asset is not None:
        booked = Amount(view.booked_amount, view.booked_asset)
    return ReceiptFacts(
        id=view.id,
        environment=environment,
        kind=TransactionKind.TOP_UP.value,
        asset=view.asset,
        amount=booked,
        created_at=view.created_at,
        settled_at=view.settled_at if booked else None,
        top_up=TopUpFacts(
            status=view.status,
            reason=view.reason,
            charged=view.charged,
            asked=Amount(view.fiat_amount, view.fiat_currency),
            paid=paid,
            method=view.payment_method,
            network=view.network,
            quote=view.quote,
            provider_order=view.provider_order_id or "",
            transaction_hash=view.transaction_hash or "",
        ),
        belongs_to=view.linked_to or "",
        holder=holder,
    )


async def _holder(db: AsyncSession, user_id: str) -> Holder:
    user = await db.get_one(User, user_id)
    return Holder("", "") if user.closed_at is not None else Holder(user.display_name or "", user.email)
