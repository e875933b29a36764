"""What our page has to allow the provider's identity page that it frames."""

from urllib.parse import urlsplit

from onramp_app.config import Settings
from onramp_app.providers.connection import ADAPTER

KYC_FEATURES = ("camera", "microphone")


def kyc_origin(settings: Settings) -> str | None:
    """Return the only origin of identity pages that ours frame; None where no page of ours frames any."""
    return ADAPTER.kyc_origin(settings) if settings.onramp_white_label else None


def frame_allow(settings: Settings) -> str:
    """Return what the frame may use, by the exact origin (Permissions Policy, the `allow` attribute)."""
    return "; ".join(f"{feature} {kyc_origin(settings)}" for feature in KYC_FEATURES)


def may_frame(url: str, settings: Settings) -> bool:
    """Return whether the content policy of our pages lets them frame the address; others open in a tab."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower() == kyc_origin(settings)
