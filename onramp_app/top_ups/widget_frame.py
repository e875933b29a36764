"""What our pages need in order to frame the provider's page."""

from onramp_app.config import Settings
from onramp_app.providers.connection import ADAPTER

WIDGET_FEATURES = ADAPTER.widget_features
framed_url = ADAPTER.framed_url
frame_name = ADAPTER.frame_name


def widget_origin(settings: Settings) -> str:
    """Return the only origin that our pages frame, such as `https://onramp.money`."""
    return ADAPTER.widget_origin(settings)
