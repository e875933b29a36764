"""The words of what a network shows. Pure; docs/money.md ("What the chain says") is their specification."""

from enum import StrEnum


class EvidenceState(StrEnum):
    """What a network has shown of a delivery so far.

    `WAITING`: not seen yet, or not deep enough. `AWAY`: likewise, and no server of the network answered the
    last look. `MISSING`: it is not there, and the looks go on. `CONFIRMED`: it arrived. `DIFFERS`: it
    arrived, and the provider's record says another amount. `LEFT`: it had arrived, and its block left the
    chain. `DROPPED`: the operator took the network out of `CHAIN_RPC`, so the provider's word counts.
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
