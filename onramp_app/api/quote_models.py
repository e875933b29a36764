"""Bodies and answers of quotes. Amounts are decimal strings; a JSON number is refused."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, Field

from onramp_app.api.frame.routes import Country, Currency, RequestBody
from onramp_app.pricing import quotes
from onramp_app.pricing.quotes import QuoteView

# Enough digits for any currency. The decimals of the currency itself are checked when it is known.
FiatText = Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,8})?$", examples=["1000.00"])]
AssetCode = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,10}$", examples=["USDT"])]
Network = Annotated[str, Field(pattern=r"^[a-z0-9]{2,20}$", examples=["matic20"])]
PaymentMethod = Annotated[
    str,
    Field(pattern=r"^[!-~]{1,64}$", description="A method `code` of `GET /api/options`", examples=["UPI"]),
]


class QuoteRequest(RequestBody):
    """What to price. `country` chooses where the provider has several entries for the currency.

    The default is the country of the account.
    """

    fiat_currency: Currency
    fiat_amount: FiatText
    asset: AssetCode
    network: Network
    payment_method: PaymentMethod
    country: Country | None = None

    def wanted(self, home: str | None) -> quotes.PurchaseRequest:
        """Return the request as `pricing` takes it; `home` is the country of the account."""
        return quotes.PurchaseRequest(
            fiat_currency=self.fiat_currency,
            fiat_amount=Decimal(self.fiat_amount),
            asset=self.asset,
            network=self.network,
            payment_method=self.payment_method,
            country=self.country or home,
        )


class FeesAnswer(BaseModel):
    """The fees that are taken off, in the fiat currency."""

    provider: str
    gateway: str
    network: str
    client: str


class QuoteAnswer(BaseModel):
    """What the provider expects to deliver, net of all fees. `rate` is the price of one unit of the asset."""

    rate: str
    fiat_amount: str
    expected_amount: str
    fees: FeesAnswer
    expires_at: datetime

    @classmethod
    def of(cls, quote: QuoteView) -> Self:
        """Build the answer from the view."""
        return cls(
            rate=quote.rate,
            fiat_amount=quote.fiat_amount,
            expected_amount=quote.expected_amount,
            fees=FeesAnswer(
                provider=quote.provider_fee,
                gateway=quote.gateway_fee,
                network=quote.network_fee,
                client=quote.client_fee,
            ),
            expires_at=quote.expires_at,
        )
