"""Which tab of this process belongs to which session: where changes and ends of sessions have to arrive.

A tab is named by Reflex's client token, which the page invents: the token says where to send, never who asks.
"""

from collections.abc import Collection
from typing import NamedTuple


class Holder(NamedTuple):
    """The session and the person whose pages a tab shows."""

    session_id: str
    user_id: str
    socket_id: str  # The socket whose handshake carried the session; another one may use the same token.


_holder_of_token: dict[str, Holder] = {}


def remember(token: str, holder: Holder) -> None:
    """Note that a tab shows pages of the holder's session."""
    _holder_of_token[token] = holder


def holder_of(token: str) -> Holder | None:
    """Return the holder of a tab, or None for a tab without a session."""
    return _holder_of_token.get(token)


def tabs_of_sessions(session_ids: Collection[str]) -> list[str]:
    """Return the tabs that belong to any of the sessions."""
    return [token for token, holder in _holder_of_token.items() if holder.session_id in session_ids]


def tabs_of_users(user_ids: Collection[str]) -> dict[str, dict[str, Holder]]:
    """Return the tabs of each person by token, each with its holder."""
    found: dict[str, dict[str, Holder]] = {user_id: {} for user_id in user_ids}
    for token, holder in _holder_of_token.items():
        if holder.user_id in found:
            found[holder.user_id][token] = holder
    return found


def known_sessions() -> set[str]:
    """Return the ids of the sessions that have a tab in this process."""
    return {holder.session_id for holder in _holder_of_token.values()}


def known_users() -> set[str]:
    """Return the ids of the people who have a tab in this process."""
    return {holder.user_id for holder in _holder_of_token.values()}


def forget(token: str) -> None:
    """Forget the holder of a tab."""
    _holder_of_token.pop(token, None)


def keep_only(connected: Collection[str]) -> None:
    """Forget every tab that is not connected. Reflex does not say when a tab leaves."""
    for token in _holder_of_token.keys() - set(connected):
        del _holder_of_token[token]
