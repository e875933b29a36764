"""The state of one part of the installation, as `check` and the health addresses report it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """The state of one part. `detail` is a sentence for the operator, without secrets, or nothing."""

    name: str
    is_well: bool
    detail: str = ""


class UnwellError(Exception):
    """A part does not work; the text is a sentence that says what to do."""
