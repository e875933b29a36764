"""Which environment this instance works in: every provider order, top-up and transfer carries the word."""

from onramp_app.config import Settings, get_settings
from onramp_app.ledger.words import Environment


def environment_of(settings: Settings) -> Environment:
    """Return `live` in production, `simulator` on our own machine, else `sandbox`."""
    if settings.is_production:
        return Environment.LIVE
    return Environment.SIMULATOR if settings.uses_simulator else Environment.SANDBOX


def current_environment() -> Environment:
    """Return the environment of the process's settings."""
    return environment_of(get_settings())
