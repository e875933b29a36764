"""The adapter that connects the provider port to onramp.money."""

from onramp_app.config import Settings
from onramp_app.providers.adapter import Adapter
from onramp_app.providers.onramp.client import client_from, transport_from, widget_origin
from onramp_app.providers.onramp.maps import CHAIN_SYMBOLS, COIN_SYMBOLS, FIAT_TYPES, TEST_CHAIN_IDS
from onramp_app.providers.onramp.orders import memo_of
from onramp_app.providers.onramp.published_limits import PUBLISHED_LIMITS
from onramp_app.providers.onramp.published_times import published_time
from onramp_app.providers.onramp.webhook import webhook_reader_from
from onramp_app.providers.onramp.white_label import white_label_from
from onramp_app.providers.onramp.widget import (
    WIDGET_FEATURES,
    frame_name,
    framed_url,
    new_recognition_id,
)
from onramp_app.providers.port import KycProvider, Provider


def _connect(settings: Settings) -> Provider:
    return client_from(settings, transport_from(settings))


def _connect_kyc(settings: Settings) -> KycProvider:
    return white_label_from(settings, transport_from(settings))


def _kyc_origin(settings: Settings) -> str:
    """Return `ONRAMP_KYC_ORIGIN`, else the widget's origin: the provider does not publish its KYC origin."""
    return settings.onramp_kyc_origin or widget_origin(settings)


ONRAMP = Adapter(
    fiat_types=FIAT_TYPES,
    default_fiat_type=1,  # the provider's own default
    coin_symbols=COIN_SYMBOLS,
    chain_symbols=CHAIN_SYMBOLS,
    test_chain_ids=TEST_CHAIN_IDS,
    widget_features=WIDGET_FEATURES,
    connect=_connect,
    webhook_reader=webhook_reader_from,
    widget_origin=widget_origin,
    new_recognition_id=new_recognition_id,
    framed_url=framed_url,
    frame_name=frame_name,
    connect_kyc=_connect_kyc,
    kyc_origin=_kyc_origin,
    published_limits=PUBLISHED_LIMITS,
    published_time=published_time,
    memo_of=memo_of,
)
