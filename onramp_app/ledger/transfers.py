"""The nouns of the books: account, entry, transfer, balance, and the instruction that transfers come from.

Pure. Amounts are whole minor units of their asset; in entries positive is debit and negative credit.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.money import MAX_MINOR
from onramp_app.ledger.words import AccountKind, TransferKind

_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of the hash chain. Kept outside the database, a head shows whether a tail was removed."""

    seq: int
    hash: str

    def __str__(self) -> str:
        """Return `{seq}:{hash}`, as `parse` takes it."""
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Return the head that `{seq}:{hash}` names. Raises `ValueError`."""
        found = _HEAD.fullmatch(text)
        if found is None:
            raise ValueError("a head looks like 1234:<64 hexadecimal digits>")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class Account:
    """One account, by its parts: `user_id` for a user's accounts, `network` and `address` for a treasury."""

    kind: AccountKind
    asset: str
    user_id: str | None = None
    network: str | None = None
    address: str | None = None

    @property
    def name(self) -> str:
        """Return the account's name as docs/money.md writes it; the database derives the same one."""
        match self.kind:
            case AccountKind.TREASURY:
                return f"treasury:{self.network}:{self.address}:{self.asset}"
            case AccountKind.AVAILABLE | AccountKind.HELD | AccountKind.OWED:
                return f"user:{self.user_id}:{self.asset}:{self.kind}"
            case AccountKind.SUSPENSE:
                return f"suspense:{self.asset}"
            case AccountKind.PAYABLE:
                return f"provider:onramp:{self.asset}:payable"
            case AccountKind.INCOME | AccountKind.ADJUSTMENTS:
                return f"operator:{self.asset}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a transfer does to one account: `amount_minor` is debit when positive, never zero."""

    account: Account
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One balanced movement. Its reference makes it happen once."""

    reference: str
    kind: TransferKind
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """Refuse what the database would refuse at commit. Raises `ValueError`."""
        if any(not 0 < abs(entry.amount_minor) <= MAX_MINOR for entry in self.entries):
            raise ValueError(f"{self.reference} has an entry of nothing, or of more than the ledger holds")
        if len({entry.account for entry in self.entries}) != len(self.entries):
            raise ValueError(f"{self.reference} names an account twice")
        if len(self.entries) < 2 or sum(entry.amount_minor for entry in self.entries) != 0:
            raise ValueError(f"{self.reference} does not balance")
        if len({entry.account.asset for entry in self.entries}) != 1:
            raise ValueError(f"{self.reference} mixes assets")


@dataclass(frozen=True, slots=True)
class Balance:
    """One user's kept sums in one asset, in minor units, none below zero."""

    available_minor: int = 0
    held_minor: int = 0
    owed_minor: int = 0

    def after(self, transfers: Iterable[Transfer]) -> "Balance":
        """Return the balance once these transfers of the same user are posted."""
        balance = self
        for entry in (entry for transfer in transfers for entry in transfer.entries):
            match entry.account.kind:
                case AccountKind.AVAILABLE:
                    less = balance.available_minor - entry.amount_minor
                    balance = replace(balance, available_minor=less)
                case AccountKind.HELD:
                    balance = replace(balance, held_minor=balance.held_minor - entry.amount_minor)
                case AccountKind.OWED:
                    balance = replace(balance, owed_minor=balance.owed_minor + entry.amount_minor)
                case _:
                    pass
        return balance


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what asked for a transfer: `actor` is an operator's id, `reason` the one they gave."""

    source: StepSource
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One event of docs/money.md, not posted yet.

    `resolve` makes the transfers, the one under `reference` first. Some depend on what the user has or owes
    at that moment, so they are made once the balance is locked. The hash covers the instruction and not the
    entries: the same event is recognised when it comes again, whatever the balance has become.
    """

    reference: str
    kind: TransferKind
    environment: Environment
    asset: str
    amount_minor: int
    cause: Cause
    resolve: Callable[[Balance], tuple[Transfer, ...]] = field(repr=False, compare=False)
    detail: tuple[str, ...] = ()
    user_id: str | None = None
    top_up_id: str | None = None
    provider_order_id: str | None = None
    debit_id: str | None = None

    @property
    def input_hash(self) -> bytes:
        """Return the sha256 of everything that decides what is posted, which is not who asked for it."""
        parts = (
            self.reference,
            self.kind,
            self.environment,
            self.asset,
            str(self.amount_minor),
            self.user_id,
            self.top_up_id,
            self.provider_order_id,
            *self.detail,
            # Last, and only where there is one: what was booked before debits keeps its hash.
            *(() if self.debit_id is None else (self.debit_id,)),
        )
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).digest()
