"""Proves the books: every rule is one statement that returns what breaks it, so sound books return nothing.

The rules look at the rows as they are and trust no trigger: somebody may have switched the triggers off.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.ledger.rules import RULES

MAX_FINDINGS_PER_RULE = 10_000
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: which rule it breaks, what it is about, and how."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of the hash chain. Kept outside the database, it shows whether the tail was removed."""

    seq: int
    hash: str

    def __str__(self) -> str:
        """Return `{seq}:{hash}`, as `parse` takes it."""
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, told: str) -> "Head":
        """Return the head of its text. Raises `ValueError`."""
        found = _HEAD.fullmatch(told)
        if found is None:
            raise ValueError("a head looks like 1234:<64 hexadecimal digits>")
        return cls(int(found[1]), found[2])


async def verify_ledger(session: AsyncSession, *, kept_head: Head | None = None) -> list[Finding]:
    """Check all books and return what is wrong, at most 10,000 findings for each rule.

    Must be the first thing in its transaction, which becomes read-only and sees one moment.

    Args:
        kept_head: a head that was noted earlier and kept outside the database. Without one, a removed
            tail (the newest links together with all they cover) leaves no trace in the chain.
    """
    connection = await session.connection()
    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    findings = [
        finding for rule, statement in RULES.items() async for finding in _breaks(connection, rule, statement)
    ]
    if kept_head is not None:
        found = await connection.scalar(
            text("SELECT encode(hash, 'hex') FROM ledger_chain WHERE seq = :seq"), {"seq": kept_head.seq}
        )
        if found != kept_head.hash:
            findings.append(Finding("kept_head", str(kept_head.seq), "the chain no longer holds this head"))
    return findings


async def chain_head(session: AsyncSession) -> Head | None:
    """Return the newest link of the chain, or None while nothing was booked."""
    found = await (await session.connection()).execute(
        text("SELECT seq, encode(hash, 'hex') AS hash FROM ledger_chain ORDER BY seq DESC LIMIT 1")
    )
    row = found.one_or_none()
    return None if row is None else Head(row.seq, row.hash)


async def _breaks(connection: AsyncConnection, rule: str, statement: str) -> AsyncIterator[Finding]:
    begin, end = "SELECT * FROM (", f") AS broken (subject, detail) LIMIT {MAX_FINDINGS_PER_RULE}"
    limited = text(begin + statement + end)
    async with connection.stream(limited) as rows:
        async for row in rows:
            yield Finding(rule, row.subject, row.detail)
