"""How the provider has answered lately, as this process saw it: normally, slowly, or not at all."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from onramp_app.domain import clock
from onramp_app.providers.port import ProviderHealth
from onramp_app.providers.status import HealthState

# A person or their money waits for these answers: how people may pay, prices, and orders.
WATCHED = ("quotes", "merchant_history", "country_config", "chain_mapping", "limits")
SLOW_SECONDS = 2.0
# One answer says little: a read is attempted three times before its caller gets an error.
_SLOW_IN_A_ROW = 2
_FAILED_IN_A_ROW = 3
# An endpoint last called longer ago says nothing about now; other processes may be calling it instead.
_NEWS = timedelta(minutes=5)

_WORST_FIRST = (HealthState.AWAY, HealthState.SLOW)


@dataclass(slots=True)
class _Row:
    """How many answers of one kind came in a row, and since when."""

    number: int = 0
    since: datetime | None = None

    def count(self, at: datetime, *, continues: bool) -> None:
        if not continues:
            self.number, self.since = 0, None
            return
        self.number += 1
        self.since = self.since or at


class Pulse:
    """How one endpoint has answered."""

    def __init__(self) -> None:
        self._failed, self._slow = _Row(), _Row()
        self._at: datetime | None = None

    def note(self, seconds: float, *, is_answer: bool, is_busy: bool = False) -> None:
        """Count one exchange with the provider.

        Args:
            seconds: how long it took.
            is_answer: the provider answered, even if with a refusal.
            is_busy: the provider asked us to back off (429), which counts as slow.
        """
        self._at = at = clock.now()
        self._failed.count(at, continues=not is_answer)
        self._slow.count(at, continues=is_answer and (is_busy or seconds >= SLOW_SECONDS))

    def health(self) -> ProviderHealth:
        """Return the endpoint's state, and since when it has been slow or unavailable."""
        if self._at is not None and clock.now() - self._at <= _NEWS:
            if self._failed.number >= _FAILED_IN_A_ROW:
                return ProviderHealth(HealthState.AWAY, self._failed.since)
            if self._slow.number >= _SLOW_IN_A_ROW:
                return ProviderHealth(HealthState.SLOW, self._slow.since)
        return ProviderHealth(HealthState.OK, None)


class Pulses:
    """How the provider has answered on each watched endpoint, by its name."""

    def __init__(self) -> None:
        self._pulses: dict[str, Pulse] = {name: Pulse() for name in WATCHED}

    def of(self, endpoint: str) -> Pulse | None:
        """Return the pulse of an endpoint, or None if it is not watched."""
        return self._pulses.get(endpoint)

    def health(self) -> ProviderHealth:
        """Return the worst state of all watched endpoints, and since when the first has been in it."""
        found = [pulse.health() for pulse in self._pulses.values()]
        for state in _WORST_FIRST:
            since = [health.since for health in found if health.state is state and health.since]
            if since:
                return ProviderHealth(state, min(since))
        return ProviderHealth(HealthState.OK, None)
