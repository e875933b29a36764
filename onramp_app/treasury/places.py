"""The places of the treasury: the addresses at which each asset may arrive on each network."""

import re
from dataclasses import dataclass

from onramp_app.config import Settings

_EVM = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Place:
    """An asset on a network at one address; with a `memo` where many people share the address."""

    asset: str
    network: str
    address: str
    memo: str | None = None

    @property
    def spelled(self) -> str:
        """The address, with its memo, in the form used in the name of its treasury account."""
        return own_form(self.address) + (f":{self.memo}" if self.memo else "")


def own_form(address: str) -> str:
    """Return the address in canonical form: EVM addresses in lower case, all others unchanged."""
    return address.lower() if _EVM.fullmatch(address) else address


def places_of(settings: Settings) -> frozenset[Place]:
    """Return every configured place of the enabled assets, including addresses whose `until` has passed."""
    return frozenset(
        Place(asset, network, known.address, known.memo)
        for asset, networks in settings.assets.items()
        for network in networks
        for known in settings.treasury_addresses.get(network, ())
    )
