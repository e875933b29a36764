"""Which environment this instance works in: every provider order, top-up and transfer carries the word."""

from enum import StrEnum

from onramp_app.config import Settings, get_settings


class Environment(StrEnum):
    """Where an order, and the money of it, comes from. Only `LIVE` is real."""

    SIMULATOR = "simulator"
    SANDBOX = "sandbox"
    LIVE = "live"


class StepSource(StrEnum):
    """Who or what moved a top-up, or caused a transfer; `CHAIN` is a look at the network itself.

    `PROGRAM` is a program of the operator, by its API key.
    """

    WEBHOOK_READ = "webhook_read"
    POLL = "poll"
    USER = "user"
    OPERATOR = "operator"
    CLOCK = "clock"
    SYSTEM = "system"
    CHAIN = "chain"
    PROGRAM = "program"


def environment_of(settings: Settings) -> Environment:
    """Return `live` in production, `simulator` where the provider runs on this machine, else `sandbox`."""
    if settings.is_production:
        return Environment.LIVE
    return Environment.SIMULATOR if settings.uses_simulator else Environment.SANDBOX


def current_environment() -> Environment:
    """Return the environment of the process's settings."""
    return environment_of(get_settings())
