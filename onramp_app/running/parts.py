"""The state of one part of the installation, as `check` and the health endpoints report it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """The state of one part. `detail` is a sentence for the operator, without secrets, or empty."""

    name: str
    is_well: bool
    detail: str = ""


def health_document(parts: Sequence[CheckedPart]) -> dict[str, Any]:
    """Return the JSON document of the health endpoints: `status` is `ok` only when every part is well."""
    return {
        "status": "ok" if all(part.is_well for part in parts) else "failed",
        "checks": {
            part.name: {"status": "ok" if part.is_well else "failed", "reason": part.detail} for part in parts
        },
    }


class UnwellError(Exception):
    """A part does not work; the text is a sentence that says what to do."""
