"""What one network or person may take of something that everybody needs and that has an end.

A network takes at most half, however many accounts and addresses it has, and a person a quarter, however many
networks they use. What nobody asks for, such as reading the provider's orders, has no share: it is for all.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Asker:
    """Who a request or an event comes from: the `network_of` an address, and the id of an account or ""."""

    network: str
    person: str = ""


_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


def asker() -> Asker | None:
    """Return for whom this task works, or None where nobody asked for it."""
    return _asker.get()


def ask_as(network: str, person: str = "") -> None:
    """Note for whom the rest of this task works."""
    _asker.set(Asker(network, person))


def ask_as_person(person: str) -> None:
    """Note which person this task works for, once that is known."""
    if (known := _asker.get()) is not None:
        _asker.set(replace(known, person=person))


def ask_for_all() -> None:
    """Say that the rest of this task works for everybody, although somebody's request began it."""
    _asker.set(None)


@contextmanager
def asked_from(network: str) -> Iterator[None]:
    """Say for whom a request works, as long as it lasts: a server may use one task for several."""
    token = _asker.set(Asker(network))
    try:
        yield
    finally:
        _asker.reset(token)


def share_of_network(places: int) -> int:
    """Return what one network may take of so many places: half, and one at least."""
    return max(1, places // 2)


def share_of_person(places: int) -> int:
    """Return what one person may take of so many places: a quarter, rounded up."""
    return -(-places // 4)


class Taken:
    """How many places each network and person holds."""

    def __init__(self) -> None:
        self.all = 0
        self._networks: Counter[str] = Counter()
        self._persons: Counter[str] = Counter()

    def is_spent(self, who: Asker | None, places: int) -> bool:
        """Say whether `who` has their share of `places`; never true for the application itself."""
        if who is None:
            return False
        return self._networks[who.network] >= share_of_network(places) or (
            bool(who.person) and self._persons[who.person] >= share_of_person(places)
        )

    def take(self, who: Asker | None) -> None:
        """Note that `who` holds one more."""
        self.all += 1
        if who is not None:
            self._networks[who.network] += 1
            self._persons[who.person] += 1

    def give_back(self, who: Asker | None) -> None:
        """Note that `who` holds one less."""
        self.all -= 1
        if who is not None:
            for counts, name in ((self._networks, who.network), (self._persons, who.person)):
                counts[name] -= 1
                if counts[name] <= 0:
                    del counts[name]
