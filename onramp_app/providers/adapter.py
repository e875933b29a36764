"""What a provider's folder offers, so that `connection.py` can choose it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onramp_app.config import Settings
from onramp_app.domain.payments import PaymentKind, PublishedTime
from onramp_app.providers.port import FiatType, KycProvider, Provider, PublishedLimits
from onramp_app.providers.webhooks import WebhookReader


@dataclass(frozen=True, slots=True)
class Adapter:
    """One provider: the facts that are known without a request, and how to make requests.

    `fiat_types`: by the provider's number; of one currency's types the general one stands first.
    `default_fiat_type`: the one assumed for an order whose fiat type is unknown.
    `coin_symbols`, `chain_symbols`: the documented ones by id; `IdMaps` holds the live ones.
    `test_chain_ids`: networks on which coins are worth nothing.
    `widget_features`: the browser features that the provider's page in a frame may use.
    `connect`: the provider of the settings; it belongs to one event loop, close it at the end.
    `webhook_reader`: what reads its webhooks, with the secrets of the settings.
    `widget_origin`: the origin of the provider's page (RFC 6454 section 6.2), like `https://onramp.money`.
    `new_recognition_id`: an id that nobody can guess, for the provider to repeat in a top-up's order.
    `framed_url`: the address of its page in a frame, from the address of a tab and the origin of our page.
    `frame_name`: the name of that frame, which tells its page our colours (`light_colour`, `dark_colour`,
    `is_dark`).
    `connect_kyc`: its own verification of people, as `connect`; raises `ConfigurationError` where the
    settings leave it off. `kyc_origin`: the origin of the pages on which it verifies people.
    `published_limits`: what it publishes about limits, by currency (ISO 4217). `published_time`: how long a
    payment takes by what is published, from a method's code and kind; None where nothing is. `memo_of`: the
    memo in the untouched JSON of an order; None where there is none that can be read.
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
