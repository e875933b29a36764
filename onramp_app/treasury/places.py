"""The places of the treasury: which assets may arrive on which network at which address."""

import re
from dataclasses import dataclass

from onramp_app.config import Settings

_EVM = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Place:
    """An asset on a network at an address, memo included where the address is shared."""

    asset: str
    network: str
    address: str
    memo: str | None = None

    @property
    def spelled(self) -> str:
        """Return the address in the form that names its treasury account."""
        return own_form(self.address) + (f":{self.memo}" if self.memo else "")


def own_form(address: str) -> str:
    """Return the address in its network's own form: EVM addresses without case, all others exactly."""
    return address.lower() if _EVM.fullmatch(address) else address


def places_of(settings: Settings) -> frozenset[Place]:
    """Return every place of ours that is enabled now. Old addresses stay known, `until` or not."""
    return frozenset(
        Place(asset, network, known.address, known.memo)
        for asset, networks in settings.assets.items()
        for network in networks
        for known in settings.treasury_addresses.get(network, ())
    )
