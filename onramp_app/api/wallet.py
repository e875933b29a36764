"""`/api/transactions` and `/api/balances`: what changed the balances of a person, and the balances."""

import csv
import io
import re
import unicodedata
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, BeforeValidator

from onramp_app.api.frame.identity import CurrentViewer
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import forbid_caching
from onramp_app.api.quote_models import AssetCode
from onramp_app.api.top_up_models import FiatAnswer, Status
from onramp_app.domain.errors import (
    ApplicationError,
    DatabaseUnavailable,
    NotFound,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.ids import reference_of
from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.receipts import bundle, paper
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet import balances, transactions
from onramp_app.wallet.search import MAX_LENGTH as MAX_SEARCH
from onramp_app.wallet.transaction_queries import Filters
from onramp_app.wallet.views import BalancesView, TransactionView

router = APIRouter(prefix="/api", tags=["wallet"], dependencies=[Depends(forbid_caching)])

COLUMNS = (
    "id",
    "kind",
    "status",
    "created_at",
    "settled_at",
    "fiat_amount",
    "fiat_currency",
    "asset",
    "network",
    "amount",
    "provider",
    "provider_order_id",
    "transaction_hash",
    "payment_method",
    "paid_amount",
    "paid_currency",
    "description",
)
# Of the quote, in the currency of `fiat_amount`: what an order says of its fees is not clearly documented.
FEES = ("provider_fee", "gateway_fee", "network_fee", "client_fee")
# A spreadsheet takes a field that begins with one of these for a formula (OWASP: CSV injection). NFKC turns
# their full-width, small and raised forms into them; the typographic minus it leaves.
_FORMULA_SIGNS = frozenset("=+-@\N{MINUS SIGN}")
_CELL_BREAKS = ("\t", "\r", "\n")
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _only_rfc_3339(value: object) -> object:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("use a time such as 2026-01-31T00:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_only_rfc_3339)]


def _errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return error_responses(Unauthenticated, DatabaseUnavailable, ValidationFailed, *errors)


def _filters(  # noqa: PLR0913 - one for each parameter of the query
    *,
    status: Annotated[Status | None, Query()] = None,
    asset: Annotated[AssetCode | None, Query()] = None,
    since: Annotated[Moment | None, Query(alias="from", description="This moment and later")] = None,
    before: Annotated[Moment | None, Query(alias="to", description="Before this moment")] = None,
    q: Annotated[
        str | None,
        Query(
            pattern=r"^[!-~]{1,128}$", description="An id, a provider order id or a transaction hash, exactly"
        ),
    ] = None,
    payment_method: Annotated[
        str | None, Query(pattern=r"^[!-~]{1,64}$", description="A method's code; only top-ups have one")
    ] = None,
    search: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_SEARCH,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="What `q` takes, or a reference, an amount, or a payment method by code or name",
        ),
    ] = None,
) -> Filters:
    return Filters(
        TopUpStatus(status) if status else None, asset, since, before, q, method=payment_method, search=search
    )


GivenFilters = Annotated[Filters, Depends(_filters)]


class TransactionAnswer(BaseModel):
    """A top-up, or another change of a balance, whose `amount` then has a sign."""

    id: str
    kind: Literal["top_up", "reversal", "adjustment", "debit"]
    status: Status
    fiat: FiatAnswer | None
    asset: str
    network: str | None
    amount: str | None
    created_at: datetime
    settled_at: datetime | None
    provider: Literal["onramp"] | None
    provider_order_id: str | None
    transaction_hash: str | None
    description: str | None

    @classmethod
    def of(cls, view: TransactionView) -> Self:
        """Build the answer from the view."""
        fiat = {"amount": view.fiat_amount, "currency": view.fiat_currency}
        return cls.model_validate(
            {
                "id": view.id,
                "kind": view.kind,
                "status": view.status,
                "fiat": None if view.fiat_amount is None else fiat,
                "asset": view.asset,
                "network": view.network,
                "amount": view.amount,
                "created_at": view.created_at,
                "settled_at": view.settled_at,
                "provider": view.provider,
                "provider_order_id": view.provider_order_id,
                "transaction_hash": view.transaction_hash,
                "description": view.description,
            }
        )


class TransactionsAnswer(BaseModel):
    """One page, newest first."""

    items: list[TransactionAnswer]
    next_cursor: str | None


class DisplayAnswer(BaseModel):
    """What the available balance is worth; null while there is no exchange rate for all of it."""

    amount: str | None
    currency: str


class AssetBalanceAnswer(BaseModel):
    """One asset. `pending` estimates the amount that was paid for and has not arrived."""

    asset: str
    available: str
    held: str
    owed: str
    pending: str


class BalancesAnswer(BaseModel):
    """The balances of a person. `as_of` and `stale` are about the exchange rates."""

    display: DisplayAnswer
    items: list[AssetBalanceAnswer]
    as_of: datetime
    stale: bool

    @classmethod
    def of(cls, view: BalancesView) -> Self:
        """Build the answer from the view."""
        return cls(
            display=DisplayAnswer(amount=view.display_amount, currency=view.display_currency),
            items=[
                AssetBalanceAnswer(
                    asset=item.asset,
                    available=item.available,
                    held=item.held,
                    owed=item.owed,
                    pending=item.pending,
                )
                for item in view.items
            ],
            as_of=view.as_of,
            stale=view.is_stale,
        )


@router.get("/transactions", responses=_errors())
async def list_transactions(
    viewer: CurrentViewer,
    filters: GivenFilters,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_LENGTH)] = None,
) -> TransactionsAnswer:
    """List top-ups and other changes of balances, newest first."""
    views, next_cursor = await transactions.page(viewer, filters, limit=limit, cursor=cursor)
    return TransactionsAnswer(items=[TransactionAnswer.of(view) for view in views], next_cursor=next_cursor)


@router.get(
    "/transactions.csv",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}},
            "description": "RFC 4180, newest first",
        },
        **_errors(),
    },
)
async def export_transactions(viewer: CurrentViewer, filters: GivenFilters) -> StreamingResponse:
    """Return the whole list as a CSV file for a spreadsheet."""
    pages = transactions.pages(viewer, filters)
    names = (*COLUMNS, *(f"quoted_{fee}" for fee in FEES))
    first = await anext(pages)  # Read before the answer begins, so that a refusal can still be sent.

    async def lines() -> AsyncIterator[str]:
        yield _csv([names, *(_fields(view) for view in first)])
        async for views in pages:
            yield _csv([_fields(view) for view in views])

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="transactions.csv"',
            "Cache-Control": "no-store",
        },
    )


def _fields(view: TransactionView) -> tuple[str, ...]:
    values = (
        *(getattr(view, column) for column in COLUMNS),
        *(getattr(view.quote, fee, None) for fee in FEES),
    )
    return tuple(_field(value) for value in values)


def _field(value: str | datetime | None) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return f"'{value}" if value.startswith(_CELL_BREAKS) or _is_calculated(value) else value


def _is_calculated(value: str) -> bool:
    """Return whether a spreadsheet may calculate a field. Some drop blanks and invisible characters first."""
    visible = (c for c in value if unicodedata.category(c) not in ("Zs", "Zl", "Zp", "Cc", "Cf"))
    return unicodedata.normalize("NFKC", next(visible, ""))[:1] in _FORMULA_SIGNS


def _csv(rows: list[tuple[str, ...]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


@router.get("/transactions/{transaction_id}", responses=_errors(NotFound))
async def read_transaction(transaction_id: str, viewer: CurrentViewer) -> TransactionAnswer:
    """Return one transaction."""
    return TransactionAnswer.of(await transactions.get(viewer, transaction_id))


@router.get(
    "/transactions/{transaction_id}/receipt.pdf",
    response_class=Response,
    responses={
        200: {
            "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
            "description": "One page; the same each time until the transaction changes",
        },
        **_errors(NotFound, RateLimited),
    },
)
async def read_receipt(transaction_id: str, viewer: CurrentViewer) -> Response:
    """Return the receipt of one transaction, with a code by which anybody can check it."""
    content = await paper.receipt_of(viewer, transaction_id)
    return _file(content, media_type="application/pdf", name=f"receipt-{reference_of(transaction_id)}.pdf")


@router.get(
    "/transactions/{transaction_id}/support.json",
    response_class=Response,
    responses={
        200: {
            "content": {"application/json": {"schema": {"type": "object"}}},
            "description": "What support needs to find out what became of it",
        },
        **_errors(NotFound, RateLimited),
    },
)
async def read_support_bundle(transaction_id: str, viewer: CurrentViewer) -> Response:
    """Return ids, times, states, provider orders and versions of one transaction, to be sent to support."""
    content = await bundle.support_bundle(viewer, transaction_id)
    return _file(content, media_type="application/json", name=f"support-{reference_of(transaction_id)}.json")


def _file(content: str | bytes, *, media_type: str, name: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.get("/balances", responses=_errors())
async def read_balances(viewer: CurrentViewer) -> BalancesAnswer:
    """Return the balances, and what the available ones are worth together."""
    return BalancesAnswer.of(await balances.get(viewer))
