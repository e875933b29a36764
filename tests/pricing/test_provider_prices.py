"""Collecting rates over real HTTP, from a server that imitates the provider."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest
import pytest_asyncio

from onramp_app.pricing.catalogue import OptionsReader
from onramp_app.pricing.provider_prices import read_rates
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.providers.onramp.client import OnrampClient, WidgetSettings
from onramp_app.providers.onramp.http.transport import Credentials, Transport
from onramp_app.providers.status import Flow
from tests.providers.fake_onramp import FakeOnramp, Reply, Request, ok, refused

PRICES = {1: "88.5", 2: "42.25", 6: "1600"}


def quotes(prices: dict[int, str]) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        price = prices.get(request.json["fiatType"])
        if price is None:
            return refused(428)
        fees = {"onrampFee": 1, "clientFee": 0, "gatewayFee": 0, "gasFee": 2}
        return ok({"rate": price, "quantity": 1, **fees})

    return answer


@pytest_asyncio.fixture
async def onramp() -> AsyncIterator[FakeOnramp]:
    fake = FakeOnramp()
    await fake.start()
    methods = {"paymentMethods": {"M": 1}}
    countries = {str(n): {"isActive": int(n != 6), **methods} for n in (1, 2, 6, 21, 43)}
    fake.answers |= {
        "fetchAllCountryConfig": ok({"buy": countries}),
        "limits": ok({"onramp": {"1": {"min": 100}}}),
        "allChainMapping": ok({"allCoinConfig": {}, "networkConfig": {}}),
        "allConfig": ok(
            {
                "allCoinConfig": {"usdt": {"coinId": 54}, "eth": {"coinId": 6}, "sol": {"coinId": 9}},
                "coinData": {"54": 88, "6": {"0": 161530, "3": 176000}},
            }
        ),
        "quotes": quotes(PRICES),
    }
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def client(onramp: FakeOnramp) -> AsyncIterator[OnrampClient]:
    transport = Transport(onramp.url, Credentials("k", "s"))
    yield OnrampClient(transport, WidgetSettings("https://o.test/main", 7))
    await transport.close()


async def test_a_currency_that_buys_the_stable_asset_on_another_network_only_is_priced_there(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    def answer(request: Request) -> Reply:
        if request.json["fiatType"] == 21 and request.json["network"] == "matic20":
            return refused(406)
        return quotes({**PRICES, 21: "1.01"})(request)

    onramp.answers["quotes"] = answer
    book = await read_rates(client, await OptionsReader(client, {}).catalogue(), assets=[])
    assert book.per_stable["USD"] == Decimal("1.01")


async def test_every_open_currency_and_listed_asset_is_priced(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    catalogue = await OptionsReader(client, {}).catalogue()
    book = await read_rates(client, catalogue, assets=["USDT", "ETH", "SOL", "XYZ"])
    assert set(book.per_stable) == {"USDT", "INR", "TRY", "ETH"}
    assert book.rates("USDT", ["INR", "TRY"]) == {"INR": Decimal("88.5"), "TRY": Decimal("42.25")}
    assert round(book.rates("ETH", ["USDT"])["USDT"], 3) == Decimal("1835.568")
    asked = {r.json["fiatType"]: r.json["fiatAmount"] for r in onramp.requests if r.path.endswith("quotes")}
    assert asked == {1: 400, 2: 1000, 21: 1000}
    assert all(r.json["type"] == 1 for r in onramp.requests if r.path.endswith("quotes"))


async def test_without_the_price_list_currencies_still_have_rates(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    onramp.answers["allConfig"] = refused(400)
    catalogue = await OptionsReader(client, {}).catalogue()
    book = await read_rates(client, catalogue, assets=["ETH"])
    assert set(book.per_stable) == {"USDT", "INR", "TRY"}


async def test_without_any_quote_there_are_no_rates(onramp: FakeOnramp, client: OnrampClient) -> None:
    catalogue = await OptionsReader(client, {}).catalogue()
    onramp.answers["quotes"] = quotes({})
    with pytest.raises(ProviderUnavailable) as none:
        await read_rates(client, catalogue, assets=["ETH"])
    assert none.value.retry_after_seconds
    assert (await client.limits(Flow.BUY))[1].min == 100
