"""The environment that this instance works in; each provider order, top-up and transfer is marked with it."""

from enum import StrEnum

from onramp_app.config import Settings, get_settings


class Environment(StrEnum):
    """Where an order and its money come from. Only `LIVE` is real money."""

    SIMULATOR = "simulator"
    SANDBOX = "sandbox"
    LIVE = "live"


class StepSource(StrEnum):
    """Who or what moved a top-up or caused a transfer.

    `CHAIN` is a look at the network itself; `PROGRAM` is a program of the operator, using its API key.
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
    """Return `live` in production, `simulator` where the simulator is the provider, else `sandbox`."""
    if settings.is_production:
        return Environment.LIVE
    return Environment.SIMULATOR if settings.uses_simulator else Environment.SANDBOX


def current_environment() -> Environment:
    """Return the environment that this process's settings stand for."""
    return environment_of(get_settings())
