"""What the page of an add-money link remembers: words and addresses, all made on the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WayBack:
    """Where the person may return to, the result in the address; empty where nowhere. `place` is whose."""

    address: str = ""
    place: str = ""


@dataclass(frozen=True)
class Asked:
    """Who asks for what, in words.

    `token` and `here` go back with the button that opens the link. `is_begun`: its top-up was begun before.
    `is_somebody_else`: another person is signed in here than the one whom the link is for.
    """

    token: str = ""
    here: str = ""
    program: str = ""
    title: str = ""
    is_begun: bool = False
    is_somebody_else: bool = False
    back: WayBack = WayBack()


@dataclass(frozen=True)
class Over:
    """Why a link does not work, and what to do."""

    title: str = ""
    text: str = ""
    back: WayBack = WayBack()
