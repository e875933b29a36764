"""The amount to pay so that a wanted amount arrives, found through quotes for amounts to pay."""

from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onramp_app.domain.payments import AmountLimits, PaymentKind
from onramp_app.pricing.quotes import PurchaseRequest, Quote
from onramp_app.pricing.received import MOST_QUOTES, amount_for
from onramp_app.providers.port import ProviderQuote

ANY = AmountLimits(None, None)
CENT = Decimal("0.01")


class Desk:
    """A provider that quotes by the amount to pay, of which a percentage, at least `least_fee`, is fees."""

    def __init__(
        self,
        rate: str = "88.14",
        percent: str = "0.65",
        gas: str = "0.21",
        least_fee: str = "0",
        places: int = 6,
    ) -> None:
        self.rate, self.percent, self.gas = Decimal(rate), Decimal(percent), Decimal(gas)
        self.least_fee, self.places = Decimal(least_fee), places
        self.asked: list[Decimal] = []

    def arrives(self, amount: Decimal) -> Decimal:
        net = (amount - self.fee(amount)) / self.rate - self.gas
        return net.quantize(Decimal(1).scaleb(-self.places), ROUND_DOWN)

    def fee(self, amount: Decimal) -> Decimal:
        return max(self.least_fee, (amount * self.percent / 100).quantize(CENT))

    async def ask(self, amount: Decimal) -> Quote:
        self.asked.append(amount)
        quoted = ProviderQuote(
            rate=self.rate,
            fiat_amount=amount,
            expected_amount=self.arrives(amount),
            provider_fee=self.fee(amount),
            gateway_fee=Decimal(0),
            network_fee=(self.gas * self.rate).quantize(CENT),
            client_fee=Decimal(0),
            expires_at=datetime.now(UTC),
            raw="{}",
        )
        request = PurchaseRequest("INR", amount, "USDT", "matic20", "UPI", "IN")
        return Quote(request, 1, 54, 3, PaymentKind.INSTANT, quoted)

    async def total(self, wanted: str, *, first: str = "1000", bounds: AmountLimits = ANY, decimals: int = 2):
        return await amount_for(
            Decimal(wanted), ask=self.ask, first=Decimal(first), decimals=decimals, bounds=bounds
        )


@given(
    wanted=st.decimals("0.5", "100000", places=2),
    first=st.integers(100, 1_000_000),
    rate=st.sampled_from(["0.92", "88.14", "1550", "25400"]),
    percent=st.sampled_from(["0", "0.25", "1.25", "3"]),
)
@example(wanted=Decimal("1058.38"), first=2899, rate="88.14", percent="0.25")
async def test_so_much_arrives_for_it_and_for_no_less(wanted, first, rate, percent):
    desk = Desk(rate, percent)
    found = await desk.total(str(wanted), first=str(first))
    assert found.quote is not None
    assert found.quote.quoted.fiat_amount == found.fiat_amount == desk.asked[-1]
    assert desk.arrives(found.fiat_amount) >= wanted
    assert desk.arrives(found.fiat_amount - 4 * CENT) < wanted
    assert len(desk.asked) <= MOST_QUOTES


async def test_two_or_three_quotes_are_enough_and_one_where_the_first_was_right():
    desk = Desk()
    found = await desk.total("50")
    assert len(desk.asked) <= 3
    again = Desk()
    assert (await again.total("50", first=str(found.fiat_amount))).fiat_amount == found.fiat_amount
    assert len(again.asked) == 1


async def test_a_fee_that_has_a_least_amount_is_found_too():
    desk = Desk(least_fee="300")
    found = await desk.total("50", first="100000")
    assert desk.arrives(found.fiat_amount) >= 50
    assert desk.arrives(found.fiat_amount - 1) < 50


async def test_a_currency_without_decimals_is_paid_in_whole_units():
    found = await Desk("25400").total("50", first="1000000", decimals=0)
    assert found.fiat_amount == found.fiat_amount.to_integral_value()


@pytest.mark.parametrize(("wanted", "least", "most"), [("0.5", "100", None), ("5000", None, "10000")])
async def test_a_total_outside_of_the_limits_is_said_and_not_asked_for(wanted, least, most):
    bounds = AmountLimits(Decimal(least) if least else None, Decimal(most) if most else None)
    desk = Desk()
    found = await desk.total(wanted, bounds=bounds)
    assert found.quote is None
    assert (least is not None and found.fiat_amount < Decimal(least)) or found.fiat_amount > Decimal(most)
    assert all((not least or a >= Decimal(least)) and (not most or a <= Decimal(most)) for a in desk.asked)
