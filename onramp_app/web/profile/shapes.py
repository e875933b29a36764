"""What the profile remembers of sessions and of security activity, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionLine:
    """One row of the list of devices: signed in and last used at moments (RFC 3339).

    `place` says all that the network address itself says about where that is.
    """

    session_id: str
    device: str
    place: str
    begun_at: str
    used_at: str
    is_current: bool


@dataclass(frozen=True)
class FactorLine:
    """One second factor, in words; added and last used at moments (RFC 3339), or "" where it was not yet."""

    factor_id: str
    name: str
    added_at: str
    used_at: str


@dataclass(frozen=True)
class SecurityLine:
    """One row of security activity, in words: what happened, at a moment (RFC 3339).

    `where` names the device and the network address; it is empty where neither is known.
    """

    what: str
    where: str
    at: str
