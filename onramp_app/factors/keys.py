"""The keys that prove what this application made itself."""

from onramp_app.config import get_settings


def secret_keys() -> tuple[bytes, ...]:
    """Return `SECRET_KEY`, which makes things, and `SECRET_KEY_PREVIOUS`, which still knows its own."""
    settings = get_settings()
    keys = (settings.secret_key, settings.secret_key_previous)
    return tuple(key.get_secret_value().encode() for key in keys if key is not None)
