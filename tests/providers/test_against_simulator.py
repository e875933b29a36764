"""The client against the simulator over real HTTP: two programs that share no code have to agree."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from onramp_app.domain.payments import PaymentKind
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderCredentialsRefused,
    ProviderLoginRequired,
    ProviderOrderGone,
    ProviderRequestRefused,
    ProviderUnavailable,
    UnsupportedAsset,
)
from onramp_app.providers.onramp.client import OnrampClient, WidgetSettings
from onramp_app.providers.onramp.http import endpoints
from onramp_app.providers.onramp.http.endpoints import Endpoint
from onramp_app.providers.onramp.http.transport import Credentials, Transport
from onramp_app.providers.onramp.webhook import WebhookSecrets, translate, verify
from onramp_app.providers.onramp.white_label import WhiteLabelClient
from onramp_app.providers.onramp.widget import framed_url, new_recognition_id
from onramp_app.providers.port import PairClosed, WidgetSession
from onramp_app.providers.status import Flow, StatusClass
from onramp_app.providers.webhooks import SecretUsed
from tests.providers.fake_onramp import FakeOnramp, ok
from tests.simulator.process import KEY, SECRET, Process


def transport_to(simulator: Process, *, secret: str = SECRET, **options: Any) -> Transport:
    return Transport(simulator.base, Credentials(KEY, secret), **options)


@pytest.fixture
def simulator(simulator_process: Process) -> Process:
    simulator_process.begin()
    return simulator_process


@pytest_asyncio.fixture
async def client(simulator: Process) -> AsyncIterator[OnrampClient]:
    made = OnrampClient(transport_to(simulator), WidgetSettings(f"{simulator.base}/main", 1000))
    yield made
    await made.close()


def session_of() -> WidgetSession:
    return WidgetSession(
        recognition_id=new_recognition_id(),
        wallet_address="0x72c6668306f1d89425e86899b7444a0c2e5f25cf",
        coin_code="usdt",
        network="matic20",
        fiat_type=1,
        fiat_amount=Decimal(1000),
        payment_kind=PaymentKind.INSTANT,
    )


async def orders_of(client: OnrampClient, fiat_type: int = 1) -> dict[str, Any]:
    since = datetime.now(UTC) - timedelta(hours=1)
    walk = client.history(flow=Flow.BUY, fiat_type=fiat_type, since=since)
    return {order.order_id: order async for page in walk for order in page.orders}


async def open_order(client: OnrampClient, simulator: Process, session: WidgetSession) -> str:
    opened = simulator.control("orders", {"widget_url": await client.widget_url(session)})
    return str(opened["orderId"])


async def test_a_purchase_is_quoted_opened_and_read_back_exactly(
    simulator: Process, client: OnrampClient
) -> None:
    quote = await client.quote(
        flow=Flow.BUY, fiat_type=1, fiat_amount=Decimal(1000), coin_code="USDT", network="matic20"
    )
    assert quote.expected_amount > 0
    session = session_of()
    order_id = await open_order(client, simulator, session)
    simulator.control(f"orders/{order_id}", {"status": 4, "actualCryptoAmount": "11.123456789012345678"})
    order = (await orders_of(client))[order_id]
    assert order.status_class is StatusClass.DELIVERED
    assert order.bought_amount == Decimal("11.123456789012345678")
    assert (order.recognition_id, order.fiat_amount, order.currency) == (session.recognition_id, 1000, "INR")
    assert (order.wallet_address, order.coin_id, order.chain_id) == (session.wallet_address, 54, 3)
    assert order.created_at is not None
    assert abs(order.created_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("status", [-4, -3, -2, -1, 0, 1, 2, 10, 3, 13, 11, 12, 14, 4, 15, 5, 16, 99])
async def test_every_status_is_read_with_its_class(
    simulator: Process, client: OnrampClient, status: int
) -> None:
    order_id = await open_order(client, simulator, session_of())
    simulator.control(f"orders/{order_id}", {"status": status})
    order = (await orders_of(client))[order_id]
    assert order.status_number == status
    assert (order.status_class is StatusClass.UNKNOWN) == (status == 99)


async def test_each_currency_has_its_own_history(simulator: Process, client: OnrampClient) -> None:
    lira = await open_order(client, simulator, replace(session_of(), fiat_type=2, payment_kind=None))
    assert lira in await orders_of(client, 2)
    assert lira not in await orders_of(client, 1)


async def test_refusals_are_told_apart(simulator: Process, client: OnrampClient) -> None:
    async def quote(amount: str, coin: str = "usdt") -> None:
        await client.quote(
            flow=Flow.BUY, fiat_type=1, fiat_amount=Decimal(amount), coin_code=coin, network="matic20"
        )

    with pytest.raises(AmountOutOfLimits):
        await quote("1")
    with pytest.raises(UnsupportedAsset):
        await quote("1000", "nosuchcoin")
    with pytest.raises(ProviderOrderGone):
        await client.resend_webhook("999999")
    stranger = transport_to(simulator, secret="wrong")
    with pytest.raises(ProviderCredentialsRefused):
        await stranger.call(endpoints.QUOTES, {})
    await stranger.close()


async def test_configuration_is_read(client: OnrampClient) -> None:
    assert (await client.limits(Flow.BUY))[1].min == 100
    assert (await client.payment_methods())[1]["UPI"] is PaymentKind.INSTANT
    assert (await client.country_config())[Flow.BUY][1].is_active
    maps, coins = await client.id_maps(), await client.coins_and_chains()
    assert (maps.coin_ids["usdt"], maps.chain_ids["matic20"], maps.fiat_types["INR"]) == (54, 3, 1)
    assert coins.coins["usdt"].coin_id == 54
    assert (coins.chains[3].symbol, coins.chains[3].evm_id, coins.chains[2].evm_id) == ("matic20", 137, None)
    assert (await client.coin_minimums(1))[54][3] > 0
    assert (await client.public_config()).coins_and_chains.coins["usdt"].coin_id == 54


async def test_the_remote_widget_address_carries_the_same_facts(
    simulator: Process, client: OnrampClient
) -> None:
    transport = transport_to(simulator)
    base = f"{simulator.base}/main".replace("127.0.0.1", "localhost")
    remote = OnrampClient(transport, WidgetSettings(base, 1000, made_by="remote"))
    session = session_of()
    url = await remote.widget_url(session)
    assert "mode=" not in url
    assert "origin=" not in url
    opened = simulator.control("orders", {"widget_url": url})
    order = (await orders_of(client))[str(opened["orderId"])]
    assert (order.recognition_id, order.fiat_amount) == (session.recognition_id, 1000)
    await transport.close()


async def test_a_signed_widget_address_carries_the_same_facts_and_cannot_be_changed(
    simulator: Process, client: OnrampClient
) -> None:
    transport = transport_to(simulator)
    base = f"{simulator.base}/main".replace("127.0.0.1", "localhost")
    signed = OnrampClient(transport, WidgetSettings(base, 1000, made_by="signed"))
    session = session_of()
    url = await signed.widget_url(session)
    opened = simulator.control("orders", {"widget_url": framed_url(url, "http://localhost:3000")})
    order = (await orders_of(client))[str(opened["orderId"])]
    assert (order.recognition_id, order.fiat_amount) == (session.recognition_id, 1000)
    assert order.wallet_address == session.wallet_address
    overrides = {"walletAddress": session.wallet_address[:-1] + "0"}
    simulator.control("orders", {"widget_url": url, "overrides": overrides}, status=422)
    await transport.close()


async def test_what_is_sent_of_a_coin_and_what_is_closed_is_read(
    simulator: Process, client: OnrampClient
) -> None:
    simulator.scenario("node_out_of_sync", value={"coinCode": "usdc", "network": "bep20"})
    found = await client.withdrawals()
    assert found[116][1].closed is PairClosed.NODE_OUT_OF_SYNC
    assert (found[54][3].closed, found[54][3].minimum) == (None, Decimal("0.2"))


@pytest.mark.parametrize(
    ("amount", "network"), [(Decimal(1), "matic20"), (Decimal(10**7), "matic20"), (Decimal(100), "erc20")]
)
async def test_a_refusal_in_words_means_what_its_code_would(
    simulator: Process, client: OnrampClient, amount: Decimal, network: str
) -> None:
    simulator.scenario("plain_400", times=None)
    with pytest.raises(AmountOutOfLimits):
        await client.quote(flow=Flow.BUY, fiat_type=1, fiat_amount=amount, coin_code="usdt", network=network)
    with pytest.raises(ProviderOrderGone):
        await client.resend_webhook("1")


@pytest.mark.parametrize(
    "scenario",
    [
        {"name": "api_down", "times": 2},
        {"name": "api_slow", "value": "0.3"},
        {"name": "clock_skew", "value": "-90"},
        {"name": "clock_skew", "value": "-90", "times": None},
        {"name": "clock_skew", "value": "90", "times": None},
    ],
    ids=str,
)
async def test_trouble_that_passes_heals_by_itself(
    simulator: Process, client: OnrampClient, scenario: dict[str, Any]
) -> None:
    await client.limits(Flow.BUY)
    simulator.control("scenario", scenario)
    quote = await client.quote(
        flow=Flow.BUY, fiat_type=1, fiat_amount=Decimal(1000), coin_code="usdt", network="matic20"
    )
    assert quote.rate > 0


async def test_too_many_requests_is_told_with_its_time(simulator: Process, client: OnrampClient) -> None:
    await client.payment_methods()
    simulator.control("scenario", {"name": "rate_limited", "value": "7"})
    with pytest.raises(ProviderUnavailable) as busy:
        await client.country_config()
    assert busy.value.retry_after_seconds == 7


async def test_webhooks_verify_and_translate(simulator: Process, client: OnrampClient) -> None:
    receiver = FakeOnramp()
    await receiver.start()
    receiver.answers["hook"] = ok({})
    await client.set_webhook_url(receiver.url + "/hook")

    async def received(scenario: str | None) -> tuple[Any, Any, str]:
        order_id = await open_order(client, simulator, session_of())
        if scenario:
            simulator.control("scenario", {"name": scenario, "order_id": int(order_id)})
        before = len(receiver.requests)
        simulator.control(f"orders/{order_id}", {"status": 4})
        request = await receiver.request_number(before)
        header = verify(
            request.headers["x-onramp-payload"].encode(),
            request.headers["x-onramp-signature"].encode(),
            secrets=WebhookSecrets("simulator-secret-next", SECRET),
        )
        return header, translate(header, request.body, received_at=datetime.now(UTC)), order_id

    header, event, order_id = await received(None)
    assert (header.secret, event.is_signed, event.differs) == (SecretUsed.PREVIOUS, True, False)
    assert event.order_id == order_id
    assert event.status_text == "4"
    assert abs(event.signed_at - datetime.now(UTC)) < timedelta(seconds=10)
    _, event, order_id = await received("header_without_body")
    assert (event.order_id, event.is_signed) == (order_id, False)
    _, event, order_id = await received("body_differs")
    assert (event.order_id, event.is_signed, event.differs) == (order_id, True, True)
    await client.resend_webhook(order_id)
    await client.send_dummy_webhook()
    await receiver.stop()


@pytest.mark.parametrize("style", ["x-onramp", "plain"])
async def test_a_person_is_verified_in_the_white_label_line(simulator: Process, style: Any) -> None:
    transport = transport_to(simulator, white_label_headers=style)
    kyc, phone = WhiteLabelClient(transport, is_simulated=True), f"+91-99999{len(style):05d}"
    link = await kyc.kyc_link(email="a@b.test", phone_number=phone, client_customer_id=f"c-{style}")
    assert "/main/kyc/" in link.url
    assert (await kyc.kyc_report(link.customer_id)).status == "LOGIN_REQUIRED"
    with pytest.raises(ProviderRequestRefused) as known:
        await kyc.kyc_link(email="a@b.test", phone_number=phone, client_customer_id="again")
    assert known.value.customer_id == link.customer_id
    assert (await kyc.kyc_link_again(link.customer_id)).customer_id == link.customer_id
    assert (await kyc.customer_limits(link.customer_id, fiat_type=1)).per_order
    await transport.close()


async def test_a_white_label_purchase_is_read_with_its_class(simulator: Process) -> None:
    transport = transport_to(simulator)
    kyc = WhiteLabelClient(transport, is_simulated=True)
    link = await kyc.kyc_link(email="a@b.test", phone_number="+91-9999988888", client_customer_id="buyer")
    base = "/onramp/api/v2/whiteLabel"
    purchase = {
        "customerId": link.customer_id,
        "fiatType": 1,
        "fiatAmount": 1000,
        "coinCode": "usdt",
        "network": "matic20",
        "walletAddress": session_of().wallet_address,
    }
    create = Endpoint("create", f"{base}/onramp/createTransaction", is_read=False, is_white_label=True)
    with pytest.raises(ProviderLoginRequired):
        await transport.call(create, purchase)
    change = Endpoint("change", f"{base}/test/changeKycStatus", is_read=False, is_white_label=True)
    await transport.call(change, {"customerId": link.customer_id, "status": "COMPLETED"})
    assert (await kyc.kyc_report(link.customer_id)).status == "COMPLETED"
    order_id = (await transport.call(create, purchase)).object()["transactionId"]
    move = Endpoint("move", f"{base}/test/changeOnrampStatus", is_read=False, is_white_label=True)
    await transport.call(move, {"transactionId": order_id, "status": "ON_CHAIN_COMPLETED"})
    order = await kyc.order(link.customer_id, order_id=order_id)
    assert (order.order_id, order.status_class) == (order_id, StatusClass.DELIVERED)
    assert order.bought_amount
    assert order.bought_amount > 0
    await transport.close()
