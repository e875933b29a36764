"""What the profile remembers of sessions and of security activity, all words already made.

Frozen and of primitives only: states are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionLine:
    """One row of the list of sessions: begun at a moment (RFC 3339), `seen` so long ago, in words."""

    session_id: str
    device: str
    address: str
    begun_at: str
    seen: str
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
    """One row of recent security activity, in words: what happened where, at a moment (RFC 3339)."""

    what: str
    where: str
    at: str
