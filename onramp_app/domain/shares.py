"""Shares: how much of a limited resource one network or one person may take.

A network gets at most half, however many accounts and addresses it has, and a person a quarter, however many
networks they use. Work without an asker, such as reading the provider's orders, has no limit.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Asker:
    """Where a request or an event comes from: the network (`network_of`), and an account's id or ""."""

    network: str
    person: str = ""


_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


def asker() -> Asker | None:
    """Return the asker that this task works for, or None if it works for everybody."""
    return _asker.get()


def ask_as(network: str, person: str = "") -> None:
    """Set the asker that the rest of this task works for."""
    _asker.set(Asker(network, person))


def ask_as_person(person: str) -> None:
    """Add the person to this task's asker, once the person is known."""
    if (known := _asker.get()) is not None:
        _asker.set(replace(known, person=person))


def ask_for_all() -> None:
    """Clear the asker: the rest of this task works for everybody, although a request started it."""
    _asker.set(None)


@contextmanager
def asked_from(network: str) -> Iterator[None]:
    """Set the asker for the duration of one request: a server may use one task for several requests."""
    token = _asker.set(Asker(network))
    try:
        yield
    finally:
        _asker.reset(token)


def share_of_network(places: int) -> int:
    """Return how many of these places one network may take: half, and at least one."""
    return max(1, places // 2)


def share_of_person(places: int) -> int:
    """Return how many of these places one person may take: a quarter, rounded up."""
    return -(-places // 4)


class TakenPlaces:
    """How many places each network and person holds."""

    def __init__(self) -> None:
        self.all = 0
        self._networks: Counter[str] = Counter()
        self._persons: Counter[str] = Counter()

    def is_spent(self, who: Asker | None, places: int) -> bool:
        """Return whether `who` has used up their share of `places`; never true for the application itself."""
        if who is None:
            return False
        return self._networks[who.network] >= share_of_network(places) or (
            bool(who.person) and self._persons[who.person] >= share_of_person(places)
        )

    def take(self, who: Asker | None) -> None:
        """Record that `who` holds one place more."""
        self.all += 1
        if who is not None:
            self._networks[who.network] += 1
            self._persons[who.person] += 1

    def give_back(self, who: Asker | None) -> None:
        """Record that `who` holds one place fewer."""
        self.all -= 1
        if who is not None:
            for counts, name in ((self._networks, who.network), (self._persons, who.person)):
                counts[name] -= 1
                if counts[name] <= 0:
                    del counts[name]
