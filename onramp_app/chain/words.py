"""The states of chain evidence. Pure; docs/money.md ("What the chain says") specifies them."""

from enum import StrEnum


class EvidenceState(StrEnum):
    """What a network has shown of a delivery so far.

    `WAITING`: not seen yet, or not deep enough. `AWAY`: likewise, and no server of the network answered the
    last look. `MISSING`: it is not there, and the looks go on. `CONFIRMED`: it arrived. `DIFFERS`: it
    arrived, and the amount does not match the provider's record or the credit by hand. `LEFT`: it had
    arrived, and its block left the chain. `DROPPED`: the operator removed the network from `CHAIN_RPC`, so
    the provider's word counts.
    """

    WAITING = "waiting"
    AWAY = "away"
    MISSING = "missing"
    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    LEFT = "left"
    DROPPED = "dropped"


PENDING = frozenset({EvidenceState.WAITING, EvidenceState.AWAY})
UNPROVEN = PENDING | {EvidenceState.MISSING}
PROVEN = frozenset({EvidenceState.CONFIRMED, EvidenceState.DIFFERS, EvidenceState.LEFT})
