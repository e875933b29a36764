"""What pages remember of a person: frozen, primitives only, never table rows, tokens or secrets.

States are pickled between events, so the names here never move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """The signed-in person as the shell and the profile show them."""

    email: str = ""
    display_name: str = ""
    initials: str = ""
    country: str = ""
    display_currency: str = ""
    language: str = ""
    is_email_confirmed: bool = True
    must_confirm_email: bool = False


NOBODY = Person()


def initials_of(display_name: str, email: str) -> str:
    """Return one or two letters for the avatar: of the name, or else of the email."""
    words = display_name.split() or [email]
    ends = words if len(words) < 2 else [words[0], words[-1]]
    return "".join(word[:1] for word in ends).upper()
