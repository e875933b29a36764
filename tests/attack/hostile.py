"""Hostile values that an attacker sends where a value is expected. All randomness comes from one seed."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from reflex_base.utils.form import FORM_DATA_ENTRIES_KEY

TYPED = "typed-canary-7c1f"  # Part of some of the texts: user input must not appear in any log.

TEXTS = [
    "",
    " ",
    TYPED,
    "x" * 300,
    "\u00e9" * 5_000,
    f"{TYPED}" * 2_000,
    "\x00",
    "a\x00b",
    "\x1b[2J\x07\r\n\t",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u2066\ufeff",
    "\U0001f4a9" * 50,
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\\'; SELECT pg_sleep(5); --",
    f"<script>alert('{TYPED}')</script>",
    '"><img src=x onerror=alert(1)>',
    "%s%s%s%n",
    "{0.__class__.__mro__}",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "//evil.example/",
    "\\\\evil.example\\x",
    "javascript:alert(1)",
    "http://[",
    "b'bytes'",
    "\\xff\\xfe",
    "NaN",
    "Infinity",
    "-1",
    "1e400",
    "1e-400",
    "0x10",
    "٣",
    "9" * 400,
    "0." + "0" * 100 + "1",
    "true",
    "null",
    "[]",
    "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999Z",
    "RAND",
    "INR",
    "USDT",
    "matic20",
    "UPI",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.1,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    [],
    [[]],
    {},
    {"": ""},
    [None] * 300,
    {"__proto__": {"admin": True}},
    {"__class__": "x", "__init__": {"__globals__": 1}},
    {"type": "Buffer", "data": [255, 0, 254]},
    {"_placeholder": True, "num": 0},
    {FORM_DATA_ENTRIES_KEY: [["email", "x"], ["email"]]},
]


def _nested(depth: int) -> Any:
    value: Any = TYPED
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


VALUES += [_nested(5), _nested(60)]


class Malice:
    """A seeded source of hostile values; `targets` are ids that belong to somebody else."""

    def __init__(self, seed: int, targets: Sequence[str]) -> None:
        self.random = random.Random(seed)
        self.targets = list(targets)

    def text(self) -> str:
        if self.random.random() < 0.4:
            return self.random.choice(self.targets)
        text = self.random.choice(TEXTS)
        if self.random.random() < 0.2:
            text = self.random.choice(self.targets) + text
        return text

    def value(self) -> Any:
        pick = self.random.random()
        if pick < 0.55:
            return self.text()
        if pick < 0.9:
            return self.random.choice(VALUES)
        return {self.text()[:40]: self.text() for _ in range(self.random.randrange(4))}

    def arguments(self, hints: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
        """Return arguments for a handler, mostly of the right number and types; forms have pages' fields."""
        given: dict[str, Any] = {}
        for name, hint in hints.items():
            if self.random.random() < 0.05:
                continue
            given[name] = self._fitting(hint, fields) if self.random.random() < 0.7 else self.value()
        if self.random.random() < 0.05:
            given[self.text()[:40]] = self.value()
        return given

    def _fitting(self, hint: Any, fields: Sequence[str]) -> Any:
        if hint is str:
            return self.text()
        if hint in (int, float, bool):
            return self.random.choice([0, 1, -1, 2**63, -(10**30), 10**400])
        return {field: self.value() for field in fields}
