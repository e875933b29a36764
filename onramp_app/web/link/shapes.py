"""What the state of an add-money link's page holds: text and addresses, all composed on the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WayBack:
    """Where the person may return to, with the result in `address`; empty if nowhere. `place` names it."""

    address: str = ""
    place: str = ""


@dataclass(frozen=True)
class Asked:
    """Which program asks for what, as text.

    The button that opens the link posts `token`, and `here`, the path of the page. `is_somebody_else`: the
    person signed in here is not the one the link is for.
    """

    token: str = ""
    here: str = ""
    program: str = ""
    title: str = ""
    is_somebody_else: bool = False
    back: WayBack = WayBack()


@dataclass(frozen=True)
class Over:
    """Why a link does not work, and what to do."""

    title: str = ""
    text: str = ""
    back: WayBack = WayBack()
