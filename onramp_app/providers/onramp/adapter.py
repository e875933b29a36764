"""Onramp as an adapter of the port."""

from onramp_app.config import Settings
from onramp_app.providers.adapter import Adapter
from onramp_app.providers.onramp.client import client_from, transport_from, widget_origin
from onramp_app.providers.onramp.maps import CHAIN_SYMBOLS, COIN_SYMBOLS, FIAT_TYPES, TEST_CHAIN_IDS
from onramp_app.providers.onramp.orders import memo_of
from onramp_app.providers.onramp.webhook import webhook_reader_from
from onramp_app.providers.onramp.widget import (
    WIDGET_FEATURES,
    frame_name,
    framed_url,
    new_recognition_id,
)
from onramp_app.providers.port import Provider


def _connect(settings: Settings) -> Provider:
    return client_from(settings, transport_from(settings))


ONRAMP = Adapter(
    fiat_types=FIAT_TYPES,
    default_fiat_type=1,  # as the provider's own
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
    memo_of=memo_of,
)
