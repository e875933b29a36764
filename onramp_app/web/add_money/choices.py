"""The choices made in the wizard. They are kept in the page's address, so they are untrusted input."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

STEPS = ("amount", "pay", "check")

_SHAPES = {
    "amount": re.compile(r"|[0-9]{1,15}(\.[0-9]{1,8})?", re.ASCII),
    "receive": re.compile(r"(?=.*[1-9])[0-9]{1,15}(\.[0-9]{1,8})?", re.ASCII),
    "currency": re.compile(r"[A-Z]{3}"),
    "country": re.compile(r"[A-Z]{2}"),
    "asset": re.compile(r"[A-Z0-9]{2,10}"),
    "network": re.compile(r"[a-z0-9-]{2,20}"),
    "method": re.compile(r"[!-~]{1,64}"),
}


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices so far. `amount` is a decimal string, empty when the field is empty, None before a choice.

    `receive` is the amount to arrive, as a decimal string, if that is what the person typed; `amount` is then
    worked out from it until they leave the first step. Empty otherwise.
    `is_another`: the person has seen their open top-ups, and wants another one all the same.
    """

    step: str = "amount"
    amount: str | None = None
    receive: str = ""
    currency: str = ""
    country: str = ""
    asset: str = ""
    network: str = ""
    method: str = ""
    is_another: bool = False

    def search(self) -> str:
        """Return the query of the page's address, with its question mark."""
        chosen = {
            "step": self.step,
            "amount": self.amount,
            "receive": self.receive,
            "currency": self.currency,
            "country": self.country,
            "asset": self.asset,
            "network": self.network,
            "method": self.method,
            "another": "yes" if self.is_another else "",
        }
        return "?" + urlencode({name: value for name, value in chosen.items() if value})


def choices_of(query: Mapping[str, str]) -> Choices:
    """Return the choices in the query of an address, without those that cannot be valid."""

    def value_of(name: str) -> str | None:
        value = query.get(name)
        return value if isinstance(value, str) and _SHAPES[name].fullmatch(value) else None

    step = query.get("step")
    return Choices(
        step=step if step in STEPS else STEPS[0],
        amount=value_of("amount"),
        receive=value_of("receive") or "",
        currency=value_of("currency") or "",
        country=value_of("country") or "",
        asset=value_of("asset") or "",
        network=value_of("network") or "",
        method=value_of("method") or "",
        is_another=query.get("another") == "yes",
    )
