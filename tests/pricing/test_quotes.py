"""Options and quotes over real HTTP, against a server that imitates the provider."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from onramp_app.domain import clock
from onramp_app.domain.decimals import decimals_of, scale_of
from onramp_app.domain.errors import ValidationFailed
from onramp_app.domain.payments import PaymentKind
from onramp_app.pricing import catalogue as options_module
from onramp_app.pricing.catalogue import ClosedAsset, OptionsReader
from onramp_app.pricing.quotes import PurchaseRequest, Quote, SharedQuotes, is_much_less, quote
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderPriceIrregular,
    ProviderUnavailable,
    UnsupportedAsset,
    UnsupportedCurrency,
    UnsupportedPaymentMethod,
)
from onramp_app.providers.onramp.client import OnrampClient, WidgetSettings
from onramp_app.providers.onramp.http.transport import Credentials, Transport
from tests.providers.fake_onramp import FakeOnramp, Reply, Request, ok, ok_text, refused

ASSETS = {"USDT": ("matic20", "bep20"), "USDC": ("matic20",), "NOSUCH": ("matic20",)}
REQUEST = PurchaseRequest("INR", Decimal(1000), "USDT", "matic20", "UPI")


def play(onramp: FakeOnramp) -> None:
    active = {"isActive": 1, "paymentMethods": {"UPI": 1, "IMPS": 2}}
    onramp.answers |= {
        "fetchAllCountryConfig": ok(
            {
                "buy": {
                    "1": active,
                    "2": {"isActive": 0, "paymentMethods": {"TRY_BANK_TRANSFER": 2}},
                    "21": {"isActive": 1, "paymentMethods": {}},
                    "41": active,
                    "19": active,
                    "5": active,
                }
            }
        ),
        "limits": ok({"onramp": {"1": {"min": 100, "max": 500000}}}),
        "allChainMapping": ok(
            {
                "allCoinConfig": {
                    "usdt": {"coinId": 54, "networks": [1, 3]},
                    "usdc": {"coinId": 116, "networks": [1]},
                },
                "networkConfig": {"3": {"chainSymbol": "matic20"}, "1": {"chainSymbol": "bep20"}},
            }
        ),
        "allCoinLimits": ok_text('{"54":{"3":182.5,"1":99}}'),
        "quotes": quote_of,
    }


def quote_of(request: Request) -> Reply:
    if request.json["fiatAmount"] == 400:
        return refused(413)
    return ok({"rate": 88, "quantity": 11, "onrampFee": 1, "clientFee": 0, "gatewayFee": 0, "gasFee": 2})


@pytest_asyncio.fixture
async def onramp() -> AsyncIterator[FakeOnramp]:
    fake = FakeOnramp()
    await fake.start()
    play(fake)
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def client(onramp: FakeOnramp) -> AsyncIterator[OnrampClient]:
    made = OnrampClient(
        Transport(onramp.url, Credentials("k", "s")), WidgetSettings("https://o.test/main", 7)
    )
    yield made
    await made.close()


@pytest.fixture
def reader(client: OnrampClient) -> OptionsReader:
    return OptionsReader(client, ASSETS)


async def test_options_name_every_currency_with_the_reason_it_is_closed(reader: OptionsReader) -> None:
    found = await reader.options(None)
    by_place = {(row.code, row.country): row for row in found.currencies}
    assert by_place["INR", "IN"].is_active
    assert by_place["INR", "IN"].reason is None
    assert "doesn't accept this currency" in (by_place["TRY", "TR"].reason or "")
    assert "no payment method" in (by_place["USD", "US"].reason or "")
    assert (by_place["VND", "VN"].decimals, len(found.currencies)) == (0, 51)
    assert (found.methods, found.assets, found.limits, found.is_stale) == ((), (), None, False)


async def test_options_of_a_currency_hold_its_methods_assets_and_limits(reader: OptionsReader) -> None:
    found = await reader.options("INR")
    assert [(m.code, m.kind, m.min, m.max) for m in found.methods] == [
        ("UPI", PaymentKind.INSTANT, 100, 500000),
        ("IMPS", PaymentKind.BANK_TRANSFER, 100, 500000),
    ]
    assert [(a.asset, a.network, a.min, a.decimals) for a in found.assets] == [
        ("USDT", "matic20", Decimal("182.5"), 6),
        ("USDT", "bep20", 99, 18),
    ]


async def test_a_pair_that_is_closed_or_not_sold_for_the_currency_is_named_with_its_reason(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    onramp.answers["allGasFee"] = ok({"54": {"3": {"nodeInSync": 0}, "1": {"depositEnable": 0}}})
    found = await reader.options("INR")
    assert found.assets == ()
    assert [(closed.asset, closed.network) for closed in found.closed_assets] == [
        ("USDT", "matic20"),
        ("USDT", "bep20"),
    ]
    assert "lost touch" in found.closed_assets[0].reason
    assert "Closed" in found.closed_assets[1].reason
    paused = [(one.asset, one.network_name, one.is_whole_network) for one in reader.paused()]
    assert paused == [("USDT", "matic20", True), ("USDT", "bep20", True)]
    with pytest.raises(UnsupportedAsset, match="lost touch"):
        await quote(client, reader, request=REQUEST)
    assert onramp.count("quotes") == 0


async def test_a_pair_that_is_not_sold_for_the_currency_is_named_with_its_reason(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    onramp.answers["allCoinLimits"] = ok_text('{"54":{"1":99}}')
    found = await reader.options("INR")
    assert [(pair.asset, pair.network) for pair in found.assets] == [("USDT", "bep20")]
    assert found.closed_assets == (ClosedAsset("USDT", "matic20", "Not sold for INR"),)
    with pytest.raises(UnsupportedAsset, match="Not sold for INR"):
        await quote(client, reader, request=REQUEST)
    assert onramp.count("quotes") == 0


async def test_less_than_the_provider_sends_is_refused_before_anybody_pays(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    onramp.answers["allGasFee"] = ok({"54": {"3": {"minimumWithdrawal": "20"}}})
    with pytest.raises(AmountOutOfLimits) as too_little:
        await quote(client, reader, request=REQUEST)
    # 9 more units at 88, plus three percent of fees.
    assert too_little.value.extra == {"min": "1815.76", "max": "500000"}


async def test_as_much_as_the_provider_sends_is_quoted(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    onramp.answers["allGasFee"] = ok({"54": {"3": {"minimumWithdrawal": "11"}}})
    assert (await quote(client, reader, request=REQUEST)).quoted.expected_amount == 11


async def test_kinds_of_payment_that_are_not_known_are_offered_last(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    kinds = {"NEW": 9, "BANK": 2, "WALLET": 3, "UPI": 1}
    onramp.answers["fetchAllCountryConfig"] = ok({"buy": {"1": {"isActive": 1, "paymentMethods": kinds}}})
    found = await reader.options("INR")
    assert [(method.code, method.kind.name) for method in found.methods] == [
        ("UPI", "INSTANT"),
        ("WALLET", "E_WALLET"),
        ("BANK", "BANK_TRANSFER"),
        ("NEW", "OTHER"),
    ]


async def test_an_unknown_limit_is_told_as_unknown(reader: OptionsReader) -> None:
    found = await reader.options("XAF", country="GA")
    assert [(m.code, m.min, m.max) for m in found.methods] == [("UPI", None, None), ("IMPS", None, None)]
    assert found.limits is None


async def test_a_closed_currency_has_no_methods_and_an_unknown_one_is_refused(reader: OptionsReader) -> None:
    assert (await reader.options("TRY")).methods == ()
    with pytest.raises(UnsupportedCurrency):
        await reader.options("ABC")


async def test_a_quote_carries_the_providers_ids(client: OnrampClient, reader: OptionsReader) -> None:
    found = await quote(client, reader, request=REQUEST)
    assert isinstance(found, Quote)
    assert (found.fiat_type, found.coin_id, found.chain_id) == (1, 54, 3)
    assert (found.payment_kind, found.quoted.expected_amount) == (PaymentKind.INSTANT, 11)


async def test_the_country_chooses_the_fiat_type(client: OnrampClient, reader: OptionsReader) -> None:
    request = replace(REQUEST, fiat_currency="XAF", country="GA")
    assert (await quote(client, reader, request=request)).fiat_type == 41
    assert (await quote(client, reader, request=replace(request, country=None))).fiat_type == 19


async def test_the_same_quote_asked_at_once_is_asked_once(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    shared = SharedQuotes(client)
    same = await asyncio.gather(*(quote(shared, reader, request=REQUEST) for _ in range(50)))
    assert onramp.count("quotes") == 1
    assert len({found.quoted.expires_at for found in same}) == 1, "its end is that of the one asked"
    others = [replace(REQUEST, fiat_amount=Decimal(2000 + number)) for number in range(50)]
    await asyncio.gather(*(quote(shared, reader, request=other) for other in others))
    assert onramp.count("quotes") == 51, "other questions are asked"
    shared._answers._kept.clear()  # As if the three seconds had passed.
    again = await quote(shared, reader, request=REQUEST)
    assert again.quoted.expires_at > same[0].quoted.expires_at


async def test_control_unshared_each_is_asked(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    await asyncio.gather(*(quote(client, reader, request=REQUEST) for _ in range(50)))
    assert onramp.count("quotes") == 50


async def test_a_refused_quote_is_not_kept_for_others(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    shared = SharedQuotes(client)
    onramp.answers["quotes"] = refused(428)
    for _ in range(2):
        with pytest.raises(ProviderPriceIrregular):
            await quote(shared, reader, request=REQUEST)
    assert onramp.count("quotes") == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"fiat_currency": "ABC"}, UnsupportedCurrency),
        ({"fiat_currency": "TRY"}, UnsupportedCurrency),
        ({"fiat_currency": "USD"}, UnsupportedCurrency),
        ({"payment_method": "IMP"}, UnsupportedPaymentMethod),
        ({"asset": "BTC"}, UnsupportedAsset),
        ({"network": "erc20"}, UnsupportedAsset),
        ({"asset": "USDC"}, UnsupportedAsset),
        ({"asset": "NOSUCH"}, UnsupportedAsset),
        ({"fiat_amount": Decimal("1000.001")}, ValidationFailed),
        ({"fiat_amount": Decimal(0)}, ValidationFailed),
        ({"fiat_amount": Decimal(-5)}, ValidationFailed),
        ({"fiat_amount": Decimal("1e40")}, ValidationFailed),
        ({"fiat_amount": Decimal("NaN")}, ValidationFailed),
        ({"fiat_currency": "VND", "fiat_amount": Decimal("1000.5")}, ValidationFailed),
        ({"fiat_amount": Decimal("182.49")}, AmountOutOfLimits),
        ({"fiat_amount": Decimal("500000.01")}, AmountOutOfLimits),
    ],
    ids=str,
)
async def test_what_is_not_offered_is_refused_before_the_provider_is_asked(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader, change, error
) -> None:
    with pytest.raises(error):
        await quote(client, reader, request=replace(REQUEST, **change))
    assert onramp.count("quotes") == 0


async def test_limits_are_told_also_when_only_the_provider_knows_better(
    onramp: FakeOnramp, client: OnrampClient, reader: OptionsReader
) -> None:
    for amount in (Decimal(1), Decimal(400)):
        with pytest.raises(AmountOutOfLimits) as refused_amount:
            await quote(client, reader, request=replace(REQUEST, fiat_amount=amount))
        assert refused_amount.value.extra == {"min": "182.5", "max": "500000"}
    assert onramp.count("quotes") == 1
    request = replace(REQUEST, fiat_currency="XAF", network="bep20", fiat_amount=Decimal(400))
    onramp.answers["allCoinLimits"] = ok({})
    with pytest.raises(AmountOutOfLimits) as unknown:
        await quote(client, reader, request=request)
    assert unknown.value.extra == {}


async def test_an_older_configuration_serves_while_the_provider_is_away(
    onramp: FakeOnramp, client: OnrampClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = timedelta(0)
    monkeypatch.setattr(options_module, "now", lambda: clock.now() + ahead)
    onramp.answers["limits"] = refused(400)
    with pytest.raises(ProviderUnavailable):
        await OptionsReader(client, ASSETS).options("INR")
    play(onramp)
    reader = OptionsReader(client, ASSETS)
    read_at: datetime = (await reader.options("INR")).as_of
    asked = len(onramp.requests)
    assert not (await reader.options("INR")).is_stale
    assert len(onramp.requests) == asked
    for name in ("fetchAllCountryConfig", "limits", "allChainMapping", "allCoinLimits"):
        onramp.answers[name] = refused(400)
    client._transport._shared._kept.clear()  # As if the minute in which answers are shared had passed.
    ahead = timedelta(hours=1)
    found = await reader.options("INR")
    assert (found.is_stale, found.as_of, len(found.methods), len(found.assets)) == (True, read_at, 2, 2)
    ahead = timedelta(hours=25)
    with pytest.raises(ProviderUnavailable):
        await reader.options("INR")


async def test_a_method_that_is_listed_and_not_offered_is_told_apart(
    onramp: FakeOnramp, reader: OptionsReader
) -> None:
    found = await reader.options("INR")
    assert found.closed_methods == (), "the list is away, and stops nothing"
    onramp.answers["fetchPaymentMethodType"] = ok({"1": {"NEFT": 2, "UPI": 1}})
    await reader.refresh()
    found = await reader.options("INR")
    assert [method.code for method in found.methods] == ["UPI", "IMPS"]
    assert [(method.code, method.kind) for method in found.closed_methods] == [
        ("NEFT", PaymentKind.BANK_TRANSFER)
    ]


@pytest.mark.parametrize(
    ("asset", "network", "decimals"),
    [
        *[("USDT", "matic20", 6), ("USDT", "bep20", 18), ("BTC", "btc", 8), ("ETH", "arbitrum", 18)],
        *[("USDT", "nosuch", None), ("NOSUCH", "matic20", None), ("USDC", "trc20", None)],
    ],
)
def test_decimals_follow_the_chain(asset: str, network: str, decimals: int | None) -> None:
    assert decimals_of(asset, network) == decimals


def test_an_asset_has_the_largest_scale_of_its_networks_or_none() -> None:
    assert scale_of("USDT", ("matic20", "bep20")) == 18
    assert scale_of("USDT", ("matic20",)) == 6
    assert scale_of("USDT", ("matic20", "nosuch")) is None
    assert scale_of("USDT", ()) is None


@pytest.mark.parametrize(
    ("arrived", "is_less"), [("100", False), ("95", False), ("94.99", True), ("106", False)]
)
def test_prices_explain_five_in_a_hundred(arrived: str, is_less: bool):
    assert is_much_less("100", arrived) is is_less
