"""The client against the provider's documented answers: exact figures, walked history, refusals."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog

from onramp_app.config import ConfigurationError, Settings
from onramp_app.domain.payments import PaymentKind
from onramp_app.providers.errors import (
    ProviderAnswerUnreadable,
    ProviderLoginRequired,
    ProviderRequestRefused,
)
from onramp_app.providers.onramp import history
from onramp_app.providers.onramp.client import OnrampClient, WidgetSettings, client_from, transport_from
from onramp_app.providers.onramp.http.transport import Transport
from onramp_app.providers.onramp.white_label import WhiteLabelClient, white_label_from
from onramp_app.providers.port import PairClosed, WidgetSession, Withdrawal
from onramp_app.providers.status import Flow, StatusClass
from tests.providers.fake_onramp import KEY, SECRET, FakeOnramp, Reply, Request, ok, ok_text, refused

SINCE = datetime(2022, 10, 1, tzinfo=UTC)
SESSION = WidgetSession(
    recognition_id="0123456789abcdef0123456789abcdef",
    wallet_address="0x72c6668306f1d89425e86899b7444a0c2e5f25cf",
    coin_code="usdt",
    network="matic20",
    fiat_type=1,
    fiat_amount=Decimal("500.50"),
)


async def quote(client: OnrampClient) -> Any:
    return await client.quote(
        flow=Flow.BUY, fiat_type=1, fiat_amount=Decimal("200.05"), coin_code="USDT", network="matic20"
    )


async def test_a_quote_is_signed_and_read_exactly(onramp: FakeOnramp, client: OnrampClient, sample) -> None:
    onramp.answers["quotes"] = Reply(body=json.dumps(sample("quote.response.json")).encode())
    found = await quote(client)
    assert (found.rate, found.expected_amount, found.network_fee) == (
        Decimal("24.41"),
        Decimal("7.88"),
        Decimal("7.08"),
    )
    assert (found.provider_fee, found.client_fee, found.gateway_fee) == (Decimal("0.5"), 0, 0)
    request = onramp.requests[-1]
    assert request.is_signed_with(SECRET)
    assert not request.is_signed_with(SECRET + "x")
    assert request.headers["x-onramp-apikey"] == KEY
    assert request.signed["body"] == request.json
    assert b'"fiatAmount":200.05,' in request.body
    assert (request.json["type"], request.json["fiatType"]) == (1, 1)
    assert abs(request.signed["timestamp"] - onramp.now_ms()) < 2000


async def test_a_quote_with_a_missing_figure_is_unreadable_and_never_zero(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    onramp.answers["quotes"] = ok({"rate": 24, "onrampFee": 0, "clientFee": 0, "gatewayFee": 0, "gasFee": 1})
    with pytest.raises(ProviderAnswerUnreadable):
        await quote(client)


async def test_history_keeps_amounts_ids_and_the_untouched_text(
    onramp: FakeOnramp, client: OnrampClient, sample
) -> None:
    text = (await_fixture := json.dumps(sample("merchant_history.response.json"), indent=1)).encode()
    onramp.answers["merchantHistory"] = Reply(body=text)
    pages = [page async for page in client.history(flow=Flow.BUY, fiat_type=1, since=SINCE)]
    (order,) = pages[0].orders
    assert (order.order_id, order.status_number, order.status_class) == ("338", 5, StatusClass.DELIVERED)
    assert (order.bought_amount, order.gas_fee) == (Decimal("2.87"), Decimal("0.25"))
    fees = (order.provider_fee, order.client_fee, order.gateway_fee)
    assert fees == (Decimal("0.63"), 0, 0)
    assert (order.expected_price, order.actual_price, order.expected_amount) == (87, 0, Decimal("2.61"))
    assert (order.reference_id, order.fiat_amount, order.is_kyc_needed) == ("228066179164", 250, False)
    assert (order.transaction_hash or "").startswith("0x0ba7ec68")
    assert (order.coin_id, order.chain_id, order.currency) == (54, 3, "INR")
    assert (order.recognition_id, order.payment_kind) == ("23", PaymentKind.INSTANT)
    assert order.created_at == datetime(2022, 10, 7, 22, 29, 52, tzinfo=UTC)
    assert order.raw in await_fixture
    assert json.loads(order.raw)["orderId"] == 338
    asked = next(one for one in onramp.requests if one.path.endswith("/merchantHistory")).json
    assert asked == {
        "page": 1,
        "pageSize": 500,
        "since": "2022-10-01T00:00:00.000Z",
        "order": "ASC",
        "type": 1,
        "fiatType": 1,
    }


def numbered(request: Request, total: int, cap: int = 500) -> Reply:
    size = min(request.json["pageSize"], cap)
    first = (request.json["page"] - 1) * size
    return ok([{"orderId": i, "status": 0} for i in range(first, min(first + size, total))])


@pytest.mark.parametrize(
    ("total", "cap", "requests"),
    [
        (0, 500, 1),
        (3, 500, 2),
        (500, 500, 2),
        (1203, 500, 3),
        (260, 100, 3),
        (200, 50, 5),
        (30, 20, 2),
        (40, 20, 3),
        (100, 37, 3),
        (4, 1, 5),
    ],
)
async def test_history_is_walked_to_its_end(
    onramp: FakeOnramp, client: OnrampClient, total: int, cap: int, requests: int
) -> None:
    onramp.answers["merchantHistory"] = lambda request: numbered(request, total, cap)
    seen = [
        order.order_id
        async for page in client.history(flow=Flow.BUY, fiat_type=2, since=SINCE)
        for order in page.orders
    ]
    assert seen == [str(i) for i in range(total)]
    assert onramp.count("merchantHistory") == requests


async def test_a_short_page_is_the_end_once_the_provider_gave_a_longer_one(
    onramp: FakeOnramp, client: OnrampClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked_for(total: int, cap: int) -> int:
        before = onramp.count("merchantHistory")
        onramp.answers["merchantHistory"] = lambda request: numbered(request, total, cap)
        read = [page async for page in client.history(flow=Flow.BUY, fiat_type=2, since=SINCE)]
        assert sum(len(page.orders) for page in read) == total
        return onramp.count("merchantHistory") - before

    assert [await asked_for(total, 500) for total in (40, 3, 39, 40)] == [2, 1, 1, 2]
    monkeypatch.setattr(history, "PROVEN_SECONDS", -1.0)  # the proof of the page size is outdated
    assert await asked_for(39, 20) == 3


async def test_with_the_newest_first_orders_that_come_meanwhile_are_no_end(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    """A page of new orders came between the two requests, so the second page repeats the first."""

    def answer(request: Request) -> Reply:
        assert request.json["order"] == "DESC"
        pages = {1: range(100, 600), 2: range(100, 600), 3: range(100)}
        return ok([{"orderId": i} for i in pages.get(request.json["page"], ())])

    onramp.answers["merchantHistory"] = answer
    walk = client.history(flow=Flow.BUY, fiat_type=1, since=SINCE, is_newest_first=True)
    assert [len(page.orders) async for page in walk] == [500, 500, 100]


async def test_history_ends_when_the_provider_ignores_the_page_number(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    onramp.answers["merchantHistory"] = ok([{"orderId": i} for i in range(500)])
    pages = [page async for page in client.history(flow=Flow.BUY, fiat_type=1, since=SINCE)]
    assert [len(page.orders) for page in pages] == [500]
    assert onramp.count("merchantHistory") == 2


async def test_poison_records_are_set_aside_and_the_others_are_read(
    onramp: FakeOnramp, client: OnrampClient
) -> None:
    onramp.answers["merchantHistory"] = ok_text(
        '[{"status":4},7,null,{"orderId":null},{"orderId":{"a":1}},{"orderId":1,"status":4,'
        '"actualCryptoAmount":"x","gasFee":-1,"walletAddress":"a\\u0000b","createdAt":"yesterday"},'
        '{"orderId":"A-2","status":"77","paymentType":"2","actualCryptoAmount":"1.250"}]'
    )
    (page,) = [page async for page in client.history(flow=Flow.BUY, fiat_type=1, since=SINCE)]
    assert len(page.unreadable) == 5
    first, second = page.orders
    assert first.status_class is StatusClass.DELIVERED
    assert (first.bought_amount, first.gas_fee, first.wallet_address, first.created_at) == (None,) * 4
    assert (second.order_id, second.status_class) == ("A-2", StatusClass.UNKNOWN)
    assert second.payment_kind is PaymentKind.BANK_TRANSFER
    assert str(second.bought_amount) == "1.250"


async def test_sell_orders_are_read_without_a_class(onramp: FakeOnramp, client: OnrampClient) -> None:
    onramp.answers["merchantHistory"] = ok([{"orderId": 1, "status": 4}])
    (page,) = [page async for page in client.history(flow=Flow.SELL, fiat_type=1, since=SINCE)]
    assert (page.orders[0].status_number, page.orders[0].status_class) == (4, None)


async def test_limits_are_known_only_where_the_provider_says_so(
    onramp: FakeOnramp, client: OnrampClient, sample
) -> None:
    onramp.answers["limits"] = ok(sample("limits.response.json")["data"])
    limits = await client.limits(Flow.BUY)
    assert (limits[1].min, limits[1].max) == (100, 500000)
    assert 6 in limits
    assert 20 not in limits
    assert await client.limits(Flow.SELL) == {}


async def test_configuration_answers_become_views(onramp: FakeOnramp, client: OnrampClient, sample) -> None:
    onramp.answers["fetchPaymentMethodType"] = ok(sample("payment_methods.json"))
    onramp.answers["fetchAllCountryConfig"] = ok(
        {
            "buy": {"1": {"isActive": 1, "paymentMethods": {"UPI": "1", "X": 9}}, "4": {"isActive": 0}},
            "sell": {},
        }
    )
    onramp.answers["allConfigMapping"] = ok(
        {
            "fiatSymbolMapping": {"INR": 1},
            "coinSymbolMapping": {"usdt": "54", "rage": 396, "bad": "x"},
            "chainSymbolMapping": {"matic20": 3, "matic": 3},
        }
    )
    coins = {
        "allCoinConfig": {"usdt": {"coinId": "54", "coinName": "Tether", "networks": [0, "3"]}},
        "networkConfig": {
            "3": {
                "chainSymbol": "matic20",
                "chainName": "Polygon",
                "hashLink": "https://polygonscan.com/tx/",
            },
            "9": {"chainSymbol": "evil", "hashLink": "javascript:alert(1)"},
            "x": {"chainSymbol": "none"},
        },
    }
    onramp.answers["allChainMapping"] = ok(coins)
    onramp.answers["allGasFee"] = ok(
        {"54": {"3": {"minimumWithdrawal": "0.2"}, "1": {"nodeInSync": "0"}, "2": {"depositEnable": False}}}
    )
    onramp.answers["allCoinLimits"] = ok_text('{"54":{"3":100,"11":100.1}}')
    onramp.answers["allConfig"] = ok(
        {**coins, "coinData": {"54": 88.5, "6": {"0": 161528.499}}, "minimumBuyAmount": {"54": {"3": 100}}}
    )
    assert (await client.payment_methods())[12] == {"OPEN_BANKING": 1, "SEPA_BANK_TRANSFER": 2}
    buy = (await client.country_config())[Flow.BUY]
    assert (buy[1].is_active, dict(buy[1].methods), buy[4].is_active) == (True, {"UPI": 1, "X": 0}, False)
    maps = await client.id_maps()
    assert maps.coin_ids == {"usdt": 54, "rage": 396}
    assert maps.chain_ids["matic"] == maps.chain_ids["matic20"] == 3
    found = await client.coins_and_chains()
    assert found.coins["usdt"].chain_ids == (0, 3)
    assert found.chains[3].transaction_url == "https://polygonscan.com/tx/"
    assert found.chains[9].transaction_url is None
    assert (await client.coin_minimums(1))[54][11] == Decimal("100.1")
    assert (await client.withdrawals())[54] == {
        3: Withdrawal(Decimal("0.2"), None),
        1: Withdrawal(None, PairClosed.NODE_OUT_OF_SYNC),
        2: Withdrawal(None, PairClosed.CLOSED),
    }
    public = await client.public_config()
    assert public.inr_prices == {54: {None: Decimal("88.5")}, 6: {0: Decimal("161528.499")}}
    signed = {request.path.rsplit("/", 1)[1] for request in onramp.requests if request.method == "POST"}
    assert signed == {"allConfigMapping", "allChainMapping", "allCoinLimits", "allGasFee"}
    assert all(request.is_signed_with(SECRET) for request in onramp.requests if request.method == "POST")


async def test_webhook_calls_reach_their_addresses(onramp: FakeOnramp, client: OnrampClient) -> None:
    for name in ("setWebhookUrl", "sendDummyWebhook", "resendWebhook"):
        onramp.answers[name] = ok("done")
    await client.set_webhook_url("https://a.test/api/webhooks/onramp")
    await client.send_dummy_webhook()
    await client.resend_webhook("9")
    posts = [(r.path, r.json) for r in onramp.requests if r.method == "POST"]
    assert posts == [
        ("/onramp/api/v1/merchant/setWebhookUrl", {"webhookUrl": "https://a.test/api/webhooks/onramp"}),
        ("/onramp/api/v1/merchant/sendDummyWebhook", {}),
        ("/onramp/api/v1/merchant/resendWebhook", {"orderId": 9}),
    ]


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://onramp.money/main/buy/?session=abc", True),
        ("https://onramp.money/main/buy/?walletAddress=0x72c6668306f1d89425e86899b7444a0c2e5f25cf", True),
        ("https://onramp.money/main/buy/?walletAddress=0xattacker", False),
        ("https://onramp.money/main/buy/?appId=7&appId=8", False),
        ("https://onramp.money.evil.test/main/buy/", False),
        ("http://onramp.money/main/buy/", False),
        ("javascript:alert(1)", False),
        ("https://onramp.money\\@evil.test/", False),
    ],
)
async def test_a_remote_widget_address_is_shown_only_when_it_is_the_widgets_own(
    onramp: FakeOnramp, connect: Callable[..., Transport], url: str, is_shown: bool
) -> None:
    onramp.answers["generate-url"] = ok({"url": url})
    client = OnrampClient(connect(), WidgetSettings("https://onramp.money/main", 7, made_by="remote"))
    if is_shown:
        assert await client.widget_url(SESSION) == url
    else:
        with pytest.raises(ProviderAnswerUnreadable):
            await client.widget_url(SESSION)
    query = onramp.requests[-1].query
    assert (query["appURL"], query["flowType"], query["appId"]) == ("https://onramp.money/main", "1", "7")
    assert query["fiatAmount"] == "500.5"


async def test_white_label_calls_use_their_own_header_style(
    onramp: FakeOnramp, connect: Callable[..., Transport]
) -> None:
    kyc = WhiteLabelClient(connect(style="plain"))
    onramp.answers["url"] = ok({"kycUrl": "https://kyc.test/x", "customerId": "CUST_1", "signature": "s"})
    onramp.answers["status"] = ok({"status": "IN_REVIEW", "updatedAt": "2024-01-02T03:04:05.000Z"})
    link = await kyc.kyc_link(email="a@b.test", phone_number="+91-9999999999", client_customer_id="c1")
    assert (link.url, link.customer_id) == ("https://kyc.test/x", "CUST_1")
    report = await kyc.kyc_report("CUST_1")
    assert (report.status, report.updated_at) == ("IN_REVIEW", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC))
    request = onramp.requests[-1]
    assert "x-onramp-payload" not in request.headers
    assert request.headers["apikey"] == KEY
    assert request.is_signed_with(SECRET)
    assert isinstance(request.signed["timestamp"], str)
    assert list(request.signed) == ["body", "timestamp"]
    onramp.answers["status"] = ok("LOGIN_REQUIRED")
    assert (await kyc.kyc_report("CUST_1")).status == "LOGIN_REQUIRED"


async def test_white_label_refusals_say_what_to_do_next(
    onramp: FakeOnramp, connect: Callable[..., Transport]
) -> None:
    kyc = WhiteLabelClient(connect())
    known = {"status": 0, "code": 400, "error": "exists", "data": {"customerId": "CUST_9"}}
    onramp.answers["url"] = Reply(status=400, body=json.dumps(known).encode())
    with pytest.raises(ProviderRequestRefused) as refusal:
        await kyc.kyc_link(email="a@b.test", phone_number="+91-9999999999", client_customer_id="c1")
    assert refusal.value.customer_id == "CUST_9"
    assert onramp.count("url") == 1
    onramp.answers["limit"] = refused(403, "Please login before raising this request")
    with pytest.raises(ProviderLoginRequired):
        await kyc.customer_limits("CUST_9", fiat_type=1)


NO_LINKS = (
    "javascript://localhost/%0aalert(1)", "javascript:alert(1)", "JavaScript://127.0.0.1/%0aalert(1)",
    "data:text/html,x", "ftp://localhost/", "file://localhost/etc/passwd", "//localhost/", "/kyc", "https:",
    "https://", "https:///x", "https://?x", "https:localhost", "http://kyc.test/", "http://localhost.evil.test/",
    "https://kyc.test@evil.test/", "https://kyc.test\\@evil.test/", "https://kyc.test:x/", "https://[kyc/",
    "https://kyc.te\nst/", "https://kyc.test/a b", "https://k\u0443c.test/", f"https://kyc.test/{'x' * 2048}",
)  # fmt: skip


@pytest.mark.parametrize("url", NO_LINKS)
async def test_a_link_of_the_provider_leads_to_a_secure_page_or_nowhere(
    onramp: FakeOnramp, connect: Callable[..., Transport], url: str
) -> None:
    onramp.answers["url"] = ok({"kycUrl": url, "customerId": "C"})
    for kyc in (WhiteLabelClient(connect()), WhiteLabelClient(connect(), is_simulated=True)):
        with pytest.raises(ProviderAnswerUnreadable):
            await kyc.kyc_link_again("C")
    networks = {"3": {"chainSymbol": "matic20", "hashLink": url}}
    onramp.answers["allChainMapping"] = ok({"allCoinConfig": {}, "networkConfig": networks})
    found = await OnrampClient(connect(), WidgetSettings("https://onramp.money/main", 7)).coins_and_chains()
    assert found.chains[3].transaction_url is None


async def test_only_the_simulator_may_lead_to_this_machine(
    onramp: FakeOnramp, connect: Callable[..., Transport]
) -> None:
    onramp.answers["url"] = ok({"kycUrl": "http://localhost:8001/main/kyc/x", "customerId": "C"})
    assert (await WhiteLabelClient(connect(), is_simulated=True).kyc_link_again("C")).url
    with pytest.raises(ProviderAnswerUnreadable):
        await WhiteLabelClient(connect()).kyc_link_again("C")


async def test_settings_lead_to_the_simulator_outside_production_and_white_label_is_off() -> None:
    settings = Settings(_env_file=None, secret_key="a key that is long enough for the tests")
    transport = transport_from(settings)
    url = await client_from(settings, transport).widget_url(SESSION)
    assert url.startswith("http://localhost:8001/main/buy/?appId=1000&")
    with pytest.raises(ConfigurationError, match="ONRAMP_WHITE_LABEL"):
        white_label_from(settings, transport)
    await transport.close()


async def test_no_secret_reaches_a_log_an_error_or_a_repr(
    onramp: FakeOnramp, connect: Callable[..., Transport]
) -> None:
    transport = connect(previous="previous-secret-canary")
    client = OnrampClient(transport, WidgetSettings("https://onramp.money/main", 7))
    onramp.answers["quotes"] = refused(401, f"bad signature {SECRET}")
    with structlog.testing.capture_logs() as logs, pytest.raises(Exception, match="credentials") as refusal:
        await quote(client)
    shown = f"{logs} {refusal.value!r} {vars(refusal.value)} {vars(transport)} {vars(client)}"
    assert len(logs) >= 3
    for secret in (SECRET, "previous-secret-canary", KEY):
        assert secret not in shown
