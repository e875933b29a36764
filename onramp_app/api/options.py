"""`/api/options`: currencies, payment methods, assets and limits for adding money. Public."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from onramp_app.accounts.views import Viewer
from onramp_app.api.frame.identity import MaybeViewer
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.kyc import LimitAnswer
from onramp_app.domain.errors import DatabaseUnavailable, Unauthenticated, ValidationFailed
from onramp_app.domain.money import decimal_text
from onramp_app.domain.payments import PaymentKind
from onramp_app.pricing.catalogue import MethodOption, Options, get_options
from onramp_app.providers.errors import ProviderUnavailable, UnsupportedCurrency
from onramp_app.top_ups.meter import Meter, read_meter
from onramp_app.top_ups.provider_status import ProviderStatus, provider_status

router = APIRouter(prefix="/api/options", tags=["money"])

FiatCurrency = Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", description="ISO 4217", examples=["INR"])]
OfCountry = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Z]{2}$",
        description="ISO 3166-1 alpha-2; chooses where the provider has several entries for the currency",
        examples=["IN"],
    ),
]
_Kind = Literal["instant", "bank_transfer", "e_wallet", "other"]
_KINDS: dict[PaymentKind, _Kind] = {
    PaymentKind.INSTANT: "instant",
    PaymentKind.BANK_TRANSFER: "bank_transfer",
    PaymentKind.E_WALLET: "e_wallet",
    PaymentKind.OTHER: "other",
}


class CurrencyAnswer(BaseModel):
    """A currency in one country. `reason` says why it is not `active`."""

    code: str
    country: str
    name: str
    decimals: int
    active: bool
    reason: str | None


class MethodAnswer(BaseModel):
    """A payment method; `min` and `max` are in the currency, null where the provider does not say.

    `published_time` is how long a payment takes by what is published, null where nothing is.
    """

    code: str
    kind: _Kind
    published_time: Literal["instant", "bank_days"] | None
    min: str | None
    max: str | None


class AssetAnswer(BaseModel):
    """An asset on a network; `min` is the least amount of the currency that buys it."""

    asset: str
    network: str
    min: str | None
    decimals: int


class LimitsAnswer(BaseModel):
    """How much may be paid at once in the currency; null where the provider does not say."""

    min: str | None
    max: str | None


class StatusAnswer(BaseModel):
    """How the payment provider does, for whoever is about to pay.

    `since` is null while it is `ok`. `last_settled_at` is when a payment was last credited to anybody, null
    where none was.
    """

    state: Literal["ok", "slow", "away"]
    since: datetime | None
    last_settled_at: datetime | None
    text: str


class OptionsAnswer(BaseModel):
    """All options. Methods, assets and limits belong to the requested currency, and are empty without one.

    `meter` holds every limit of a top-up in it; for a signed-in caller also those of their tier.
    """

    status: StatusAnswer
    currencies: list[CurrencyAnswer]
    methods: list[MethodAnswer]
    assets: list[AssetAnswer]
    limits: LimitsAnswer | None
    meter: list[LimitAnswer]

    @classmethod
    def of(cls, options: Options, status: ProviderStatus, meter: Meter | None) -> Self:
        """Build the answer from the options, the provider's health and the meter of the caller."""
        limits = options.limits
        return cls(
            status=StatusAnswer(
                state=status.state.value,
                since=status.since,
                last_settled_at=status.last_settled_at,
                text=status.text,
            ),
            currencies=[
                CurrencyAnswer(
                    code=row.code,
                    country=row.country,
                    name=row.name,
                    decimals=row.decimals,
                    active=row.is_active,
                    reason=row.reason,
                )
                for row in options.currencies
            ],
            methods=[
                MethodAnswer(
                    code=row.code,
                    kind=_kind(row),
                    published_time=_time(row),
                    min=_text(row.min),
                    max=_text(row.max),
                )
                for row in options.methods
            ],
            assets=[
                AssetAnswer(asset=row.asset, network=row.network, min=_text(row.min), decimals=row.decimals)
                for row in options.assets
            ],
            limits=None if limits is None else LimitsAnswer(min=_text(limits.min), max=_text(limits.max)),
            meter=[] if meter is None else LimitAnswer.all_of(meter),
        )


def _time(method: MethodOption) -> Literal["instant", "bank_days"] | None:
    if method.published_time is None:
        return None
    return "instant" if method.published_time.bank_days is None else "bank_days"


def _kind(method: MethodOption) -> _Kind:
    # The provider files wires among the instant transfers. What takes bank days is none.
    is_slow = method.kind is PaymentKind.INSTANT and _time(method) == "bank_days"
    return "bank_transfer" if is_slow else _KINDS[method.kind]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else decimal_text(amount)


@router.get(
    "",
    responses=error_responses(
        ValidationFailed, UnsupportedCurrency, Unauthenticated, ProviderUnavailable, DatabaseUnavailable
    ),
)
async def read_options(
    response: Response,
    viewer: MaybeViewer,
    fiat_currency: FiatCurrency = None,
    country: OfCountry = None,
) -> OptionsAnswer:
    """Return every currency, with the reason where it is closed, and the options of the requested one."""
    found = await get_options().options(fiat_currency, country=country)
    # What a signed-in person gets is theirs alone; a shared cache must not keep it for the next one.
    response.headers["Cache-Control"] = "public, max-age=15" if viewer is None else "no-store"
    response.headers["Vary"] = "Authorization, Cookie"
    meter = None if fiat_currency is None else await _meter(viewer, found, fiat_currency)
    return OptionsAnswer.of(found, await provider_status(), meter)


async def _meter(viewer: Viewer | None, options: Options, currency: str) -> Meter:
    decimals = next((row.decimals for row in options.currencies if row.code == currency), 2)
    return await read_meter(viewer, currency, decimals=decimals, method=options.limits)
