"""Which tab of this process belongs to which session: what must be told when a session ends.

A tab is named by Reflex's client token, which the page invents: it says where to send, never who asks.
"""

from collections.abc import Collection

_session_of_token: dict[str, str] = {}


def remember(token: str, session_id: str) -> None:
    """Note that the tab shows pages of the session."""
    _session_of_token[token] = session_id


def tokens_of(session_ids: Collection[str]) -> list[str]:
    """Return the tabs that belong to any of the sessions."""
    return [token for token, session_id in _session_of_token.items() if session_id in session_ids]


def known_sessions() -> set[str]:
    """Return the sessions that have a tab here."""
    return set(_session_of_token.values())


def forget(token: str) -> None:
    """Drop a tab."""
    _session_of_token.pop(token, None)


def keep_only(connected: Collection[str]) -> None:
    """Drop every tab that is not connected; Reflex calls nobody when one leaves."""
    for token in _session_of_token.keys() - set(connected):
        del _session_of_token[token]
