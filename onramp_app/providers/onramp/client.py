"""The Onramp client: one method for each call to the provider. Never touches the database."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

from onramp_app.config import LIVE_API_URL, Settings
from onramp_app.domain.clock import now
from onramp_app.domain.exact_json import Json, JsonOut
from onramp_app.domain.payments import AmountLimits, PaymentKind
from onramp_app.providers.onramp import configuration
from onramp_app.providers.onramp.history import FLOW_NUMBERS, PageSizes, walk_history
from onramp_app.providers.onramp.http import endpoints
from onramp_app.providers.onramp.http.transport import Credentials, Transport, TransportLimits
from onramp_app.providers.onramp.widget import (
    is_trusted_widget_url,
    local_widget_url,
    remote_query,
    unframed_url,
    widget_parameters,
)
from onramp_app.providers.onramp.wire import amount_or_none, unreadable_answer
from onramp_app.providers.port import (
    CoinsAndChains,
    FiatConfig,
    HistoryPage,
    IdMaps,
    OrderFlow,
    Provider,
    ProviderHealth,
    ProviderQuote,
    PublicConfig,
    WidgetSession,
    Withdrawal,
)
from onramp_app.providers.status import Flow

LIVE_WIDGET_URL = "https://onramp.money/main"
SIMULATOR_URL = "http://localhost:8001"
ASSUMED_QUOTE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class WidgetSettings:
    """Where the widget is and who builds its addresses.

    `base_url` ends before `/buy/`; `origin` is our own public address. `made_by`: `local`, we build each
    address; `remote`, the provider does, unsigned; `signed`, the provider does, with a hash that covers the
    parameters.
    """

    base_url: str
    app_id: int
    made_by: Literal["local", "remote", "signed"] = "local"
    origin: str = "http://localhost:3000"


class OnrampClient:
    """Implements `providers.port.Provider` for Onramp. Belongs to one event loop; close it at the end."""

    def __init__(self, transport: Transport, widget: WidgetSettings) -> None:
        self._transport = transport
        self._page_sizes = PageSizes()
        self._widget = widget

    def health(self) -> ProviderHealth:
        """Return how the provider has answered this process lately, without a request."""
        return self._transport.pulses.health()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def quote(
        self, *, flow: OrderFlow, fiat_type: int, fiat_amount: Decimal, coin_code: str, network: str
    ) -> ProviderQuote:
        """Ask for a quote. `fiat_amount` is in whole units."""
        body: dict[str, JsonOut] = {
            "coinCode": coin_code.lower(),
            "network": network.lower(),
            "fiatAmount": fiat_amount,
            "fiatType": fiat_type,
            "type": FLOW_NUMBERS[flow],
        }
        asked_at = now()
        answer = await self._transport.call(endpoints.QUOTES, body)
        fields = answer.object()
        return ProviderQuote(
            rate=_needed(fields, "rate"),
            fiat_amount=fiat_amount,
            expected_amount=_needed(fields, "quantity"),
            provider_fee=_needed(fields, "onrampFee", "onRampFee"),
            gateway_fee=_needed(fields, "gatewayFee"),
            network_fee=_needed(fields, "gasFee"),
            client_fee=_needed(fields, "clientFee"),
            expires_at=asked_at + timedelta(seconds=ASSUMED_QUOTE_SECONDS),
            raw=answer.text,
        )

    def history(
        self,
        *,
        flow: OrderFlow,
        fiat_type: int,
        since: datetime,
        is_newest_first: bool = False,
        first_page: int = 1,
    ) -> AsyncIterator[HistoryPage]:
        """Walk the orders of one fiat type to the end, oldest first by default."""
        return walk_history(
            self._transport,
            self._page_sizes,
            flow=flow,
            fiat_type=fiat_type,
            since=since,
            is_newest_first=is_newest_first,
            first_page=first_page,
        )

    async def limits(self, flow: OrderFlow) -> Mapping[int, AmountLimits]:
        """Return the amount limits by fiat type."""
        answer = await self._transport.call(endpoints.LIMITS, {"type": FLOW_NUMBERS[flow]})
        return configuration.read_limits(answer.object(), flow)

    async def payment_methods(self) -> Mapping[int, Mapping[str, PaymentKind]]:
        """Return the payment methods by fiat type."""
        answer = await self._transport.call(endpoints.PAYMENT_METHODS)
        return configuration.read_payment_methods(answer.object())

    async def country_config(self) -> Mapping[Flow, Mapping[int, FiatConfig]]:
        """Return by flow and fiat type whether payments are possible now, and by which methods."""
        answer = await self._transport.call(endpoints.COUNTRY_CONFIG)
        return configuration.read_country_config(answer.object())

    async def id_maps(self) -> IdMaps:
        """Return the provider's live ids by symbol."""
        answer = await self._transport.call(endpoints.CONFIG_MAPPING)
        return configuration.read_id_maps(answer.object())

    async def coins_and_chains(self) -> CoinsAndChains:
        """Return the live configuration of coins and networks."""
        answer = await self._transport.call(endpoints.CHAIN_MAPPING)
        return configuration.read_coins_and_chains(answer.object())

    async def coin_minimums(self, fiat_type: int) -> Mapping[int, Mapping[int, Decimal]]:
        """Return the smallest fiat amount that may be paid, by coin id and chain id."""
        answer = await self._transport.call(endpoints.COIN_LIMITS, {"fiatType": fiat_type})
        return configuration.read_minimums(answer.object())

    async def withdrawals(self) -> Mapping[int, Mapping[int, Withdrawal]]:
        """Return the smallest amount sent and whether sending is closed, by coin id and chain id."""
        answer = await self._transport.call(endpoints.GAS_FEES)
        return configuration.read_withdrawals(answer.object())

    async def public_config(self) -> PublicConfig:
        """Return the public price list."""
        answer = await self._transport.call(endpoints.PUBLIC_CONFIG)
        return configuration.read_public_config(answer.object())

    async def widget_url(self, session: WidgetSession) -> str:
        """Return the address that opens a top-up's widget in its own tab.

        Raises:
            ValueError: a fact that no top-up can have.
            ProviderAnswerUnreadable: the provider named an address that is not the widget's.
        """
        base, app_id = self._widget.base_url, self._widget.app_id
        if self._widget.made_by == "local":
            return local_widget_url(base, session, app_id=app_id)
        parameters = widget_parameters(session, app_id)
        if self._widget.made_by == "remote":
            query = remote_query(base, parameters, origin=self._widget.origin)
            answer = await self._transport.call(endpoints.GENERATE_URL, query=query)
            url = answer.object().get("url")
        else:
            answer = await self._transport.call(endpoints.GENERATE_LINK, _link_body(session, parameters))
            url = answer.object().get("link")
        if not isinstance(url, str) or not is_trusted_widget_url(url, base, parameters=parameters):
            raise unreadable_answer()
        return unframed_url(url) if self._widget.made_by == "remote" else url

    async def set_webhook_url(self, url: str) -> None:
        """Register the address for webhooks. Never retried: after an error the outcome is unknown."""
        await self._transport.call(endpoints.SET_WEBHOOK_URL, {"webhookUrl": url})

    async def send_dummy_webhook(self, url: str | None = None) -> None:
        """Ask the provider to send a test webhook to this address, or to the registered one."""
        await self._transport.call(endpoints.SEND_DUMMY_WEBHOOK, {} if url is None else {"webhookUrl": url})

    async def resend_webhook(self, order_id: str) -> None:
        """Ask the provider to send an order's webhook again."""
        await self._transport.call(endpoints.RESEND_WEBHOOK, {"orderId": _provider_id(order_id)})


def _link_body(session: WidgetSession, parameters: Mapping[str, str]) -> dict[str, JsonOut]:
    """Return the body of `generateLink`. It takes no app id (the API key implies one) and no redirect URL."""
    texts = ("coinCode", "network", "walletAddress", "addressTag", "phoneNumber", "lang")
    return {
        "type": FLOW_NUMBERS[Flow.BUY],
        "fiatAmount": session.fiat_amount,
        "fiatType": session.fiat_type,
        "merchantRecognitionId": session.recognition_id,
        **{name: parameters[name] for name in texts if name in parameters},
    }


def _needed(fields: Mapping[str, Json], *names: str) -> Decimal:
    value = next((fields[name] for name in names if name in fields), None)
    amount = amount_or_none(value)
    if amount is None:
        raise unreadable_answer()
    return amount


def _provider_id(order_id: str) -> int | str:
    """Return an order id as the provider writes it: usually a number, which we store as opaque text."""
    return int(order_id) if order_id.isascii() and order_id.isdigit() and len(order_id) <= 18 else order_id


def widget_base_url(settings: Settings) -> str:
    """Return the widget's address up to `/buy/`: the configured one, else the simulator's or the live one."""
    default = f"{api_url(settings)}/main" if settings.uses_simulator else LIVE_WIDGET_URL
    return (settings.onramp_widget_url or default).rstrip("/")


def widget_origin(settings: Settings) -> str:
    """Return the origin of the widget (RFC 6454 section 6.2), such as `https://onramp.money`."""
    parts = urlsplit(widget_base_url(settings))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def api_url(settings: Settings) -> str:
    """Return the API's base URL: the configured one, else the live one in production and the simulator's."""
    return settings.onramp_api_url or (LIVE_API_URL if settings.is_production else SIMULATOR_URL)


def transport_from(settings: Settings) -> Transport:
    """Return a connection with the settings' address, credentials and limits; make one per event loop."""
    previous = settings.onramp_api_secret_previous
    return Transport(
        api_url(settings),
        Credentials(
            settings.onramp_api_key.get_secret_value(),
            settings.onramp_api_secret.get_secret_value(),
            previous.get_secret_value() if previous else None,
        ),
        limits=TransportLimits(requests_per_minute=settings.onramp_requests_per_minute),
        white_label_headers=settings.onramp_white_label_headers,
    )


def client_from(settings: Settings, transport: Transport) -> Provider:
    """Return a client that uses `transport`, with the widget of the settings."""
    widget = WidgetSettings(
        base_url=widget_base_url(settings),
        app_id=settings.onramp_app_id,
        made_by=settings.onramp_widget_session,
        origin=settings.public_url or "http://localhost:3000",
    )
    return OnrampClient(transport, widget)
