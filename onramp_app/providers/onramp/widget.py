"""Builds the address of the Onramp widget from the facts of a stored top-up, and from nothing else.

A person can change everything in an address without a hash, so nothing in one proves anything.
Source: the provider's documentation of the widget's query parameters.
"""

import json
import re
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from onramp_app.domain.exact_json import plain_decimal
from onramp_app.domain.payments import PaymentKind
from onramp_app.providers.port import WidgetSession

# The provider's web SDK accepts only these kinds; for any other, the person chooses on the provider's page.
_KINDS_OF_ADDRESSES = (PaymentKind.INSTANT, PaymentKind.BANK_TRANSFER)
LANGUAGES = frozenset({"en", "tr", "vi", "es", "pt", "fil", "th", "sw", "id"})
MAX_URL_CHARACTERS = 2048
# Browser features that the framed provider's page may use: it checks identities, and people copy and paste
# payment details (docs/onramp.md). Chromium grants a frame only what the page around it may use too.
WIDGET_FEATURES = ("camera", "clipboard-read", "clipboard-write", "microphone")

# The form of each text parameter. ASCII only, because look-alike characters help only a forger.
_SHAPES = {
    "merchantRecognitionId": re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII),
    "walletAddress": re.compile(r"[A-Za-z0-9:_-]{8,128}", re.ASCII),
    "coinCode": re.compile(r"[a-z0-9.]{1,20}", re.ASCII),
    "network": re.compile(r"[a-z0-9 .-]{1,32}", re.ASCII),
    "addressTag": re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII),
    "phoneNumber": re.compile(r"\+[0-9]{1,4}-[0-9]{4,14}", re.ASCII),
    "redirectUrl": re.compile(r"https?://[\x21-\x7e]{1,500}", re.ASCII),
}


def new_recognition_id() -> str:
    """Return a fresh recognition id: 128 unguessable bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def widget_parameters(session: WidgetSession, app_id: int) -> dict[str, str]:
    """Return the widget's query parameters, allow-listed and checked.

    Raises:
        ValueError: a fact that no top-up can have; the message names the parameter, not the value.
    """
    if not session.fiat_amount.is_finite() or not 0 < session.fiat_amount < 10**15:
        raise ValueError("fiatAmount cannot stand in a widget address")
    if session.fiat_type < 1:
        raise ValueError("fiatType cannot stand in a widget address")
    texts = {
        "walletAddress": session.wallet_address,
        "coinCode": session.coin_code.lower(),
        "network": session.network.lower(),
        "merchantRecognitionId": session.recognition_id,
        "addressTag": session.address_tag,
        "phoneNumber": session.phone_number,
        "redirectUrl": session.redirect_url,
    }
    given = {name: text for name, text in texts.items() if text is not None}
    for name, text in given.items():
        if not _SHAPES[name].fullmatch(text):
            raise ValueError(f"{name} cannot stand in a widget address")
    parameters = {
        "appId": str(app_id),
        **given,
        "fiatType": str(session.fiat_type),
        "fiatAmount": plain_decimal(session.fiat_amount),
    }
    if session.payment_kind in _KINDS_OF_ADDRESSES:
        parameters["paymentMethod"] = str(session.payment_kind.value)
    if session.language in LANGUAGES:
        parameters["lang"] = session.language
    return parameters


def local_widget_url(base_url: str, session: WidgetSession, *, app_id: int) -> str:
    """Return the address of the buy widget; `base_url` ends before `/buy/`. Raises `ValueError`."""
    url = f"{base_url.rstrip('/')}/buy/?{urlencode(widget_parameters(session, app_id), quote_via=quote)}"
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError("the widget address would be too long")
    return url


def remote_query(base_url: str, parameters: Mapping[str, str], *, origin: str) -> dict[str, str]:
    """Return the query of `generate-url`, as the provider's own web SDK sends it."""
    return {"appURL": base_url.rstrip("/"), "flowType": "1", **_frame_parameters(origin), **parameters}


def _frame_parameters(origin: str) -> dict[str, str]:
    return {"mode": "embedded", "origin": origin, "clientHeight": "700"}


def framed_url(url: str, origin: str) -> str:
    """Return a widget address for a frame on our page at `origin`, as the provider's web SDK builds it.

    The framed page posts its messages to that origin.
    """
    return f"{url}&{urlencode(_frame_parameters(origin))}"


def unframed_url(url: str) -> str:
    """Return a widget address without the parameters that only a frame needs, for its own tab."""
    parts = urlsplit(url)
    kept = [(name, text) for name, text in parse_qsl(parts.query) if name not in _frame_parameters("")]
    return parts._replace(query=urlencode(kept, quote_via=quote)).geturl()


def frame_name(*, light_colour: str, dark_colour: str, is_dark: bool) -> str:
    """Return the frame's name, from which the provider's page reads the colours of the page around it.

    Source: the provider's web SDK.

    Args:
        light_colour: the action colour of the light theme, as `#rrggbb`.
        dark_colour: the action colour of the dark theme, as `#rrggbb`.
        is_dark: whether the dark theme is shown.
    """
    return json.dumps(
        {
            "theme-light-baseColor": light_colour,
            "theme-dark-baseColor": dark_colour,
            "theme-default": "darkMode" if is_dark else "lightMode",
        }
    )


def is_trusted_widget_url(url: str, base_url: str, *, parameters: Mapping[str, str]) -> bool:
    """Return whether a widget address made by the provider may be shown.

    The unsigned call is not authenticated, so the address must lead to the widget's own origin, and any of
    our parameters that it repeats must have the value that we sent.
    """
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or "\\" in url:
        return False
    try:
        made, base = urlsplit(url), urlsplit(base_url)
        same_origin = (made.scheme, made.netloc.lower()) == (base.scheme, base.netloc.lower())
        repeated = parse_qs(made.query, max_num_fields=64)
    except ValueError:
        return False
    return same_origin and all(
        values == [parameters.get(name, values[0])] for name, values in repeated.items()
    )
