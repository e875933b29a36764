"""What a provider's folder must supply for `connection.py` to use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onramp_app.config import Settings
from onramp_app.domain.payments import PaymentKind, PublishedTime
from onramp_app.providers.port import FiatType, KycProvider, Provider, PublishedLimits
from onramp_app.providers.webhooks import WebhookReader


@dataclass(frozen=True, slots=True)
class Adapter:
    """One provider: what is known about it without a request, and how to connect to it.

    `fiat_types`: by the provider's number; where several share a currency, the general one comes first.
    `default_fiat_type`: assumed for an order whose fiat type is unknown.
    `coin_symbols`, `chain_symbols`: the documented symbols by id; `IdMaps` holds the live ones.
    `test_chain_ids`: networks whose coins are worth nothing.
    `widget_features`: the browser features that the provider's page may use while it is framed.
    `connect`: connects with the given settings. The result belongs to one event loop; close it at the end.
    `webhook_reader`: makes the reader of the provider's webhooks, with the secrets from the settings.
    `widget_origin`: the origin of the provider's page (RFC 6454 section 6.2), like `https://onramp.money`.
    `new_recognition_id`: makes an unguessable id, which the provider repeats in the top-up's order.
    `framed_url`: turns the page's address for a tab into its address for a frame on our page's origin.
    `frame_name`: makes the frame's name, which tells the page inside our colours (`light_colour`,
    `dark_colour`, `is_dark`).
    `connect_kyc`: as `connect`, for the provider's own identity verification; raises `ConfigurationError`
    where the settings turn it off. `kyc_origin`: the origin of the pages on which it verifies people.
    `published_limits`: the limits the provider publishes, by currency (ISO 4217). `published_time`: how long
    a payment takes according to published sources, by the method's code and kind; None where none say.
    `memo_of`: the memo in an order's raw JSON; None where none can be read.
    """

    fiat_types: Mapping[int, FiatType]
    default_fiat_type: int
    coin_symbols: Mapping[int, str]
    chain_symbols: Mapping[int, str]
    test_chain_ids: frozenset[int]
    widget_features: tuple[str, ...]
    connect: Callable[[Settings], Provider]
    webhook_reader: Callable[[Settings], WebhookReader]
    widget_origin: Callable[[Settings], str]
    new_recognition_id: Callable[[], str]
    framed_url: Callable[[str, str], str]
    frame_name: Callable[..., str]
    connect_kyc: Callable[[Settings], KycProvider]
    kyc_origin: Callable[[Settings], str]
    published_limits: Mapping[str, PublishedLimits]
    published_time: Callable[[str, PaymentKind], PublishedTime | None]
    memo_of: Callable[[str], str | None]
