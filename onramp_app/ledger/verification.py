"""Proves the books: every rule is one statement that returns what breaks it, so sound books return nothing.

The rules look at the rows as they are and trust no trigger: somebody may have switched the triggers off.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.domain.clock import now
from onramp_app.ledger.rules import RULES
from onramp_app.ledger.seals import Keys, broken_heads, broken_seals
from onramp_app.ledger.transfers import Head

MAX_FINDINGS_PER_RULE = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: which rule it breaks, what it is about, and how."""

    rule: str
    subject: str
    detail: str


async def verify_ledger(
    db: AsyncSession,
    *,
    keys: Keys | None = None,
    kept_heads: Sequence[tuple[Head, str | None]] = (),
) -> list[Finding]:
    """Check all books and return what is wrong, at most 10,000 findings for each rule.

    Must be the first thing in its transaction, which becomes read-only and sees one moment.

    Args:
        keys: what seals may be made with. Without them, a chain that was computed again leaves no trace.
        kept_heads: heads that were noted earlier and kept outside the database, each with the code of its
            seal. Without one, a removed tail (the newest links with all they cover, and their seals) leaves
            no trace.
    """
    connection = await db.connection()
    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    findings = [
        finding for rule, statement in RULES.items() async for finding in _breaks(connection, rule, statement)
    ]
    found = await broken_seals(db, keys or {}, now=now())
    found += await broken_heads(db, list(kept_heads))
    return findings + [Finding(*one) for one in found]


async def chain_head(db: AsyncSession) -> Head | None:
    """Return the newest link of the chain, or None while nothing was booked."""
    found = await execute(
        db, text("SELECT seq, encode(hash, 'hex') AS hash FROM ledger_chain ORDER BY seq DESC LIMIT 1")
    )
    row = found.one_or_none()
    return None if row is None else Head(row.seq, row.hash)


async def _breaks(connection: AsyncConnection, rule: str, statement: str) -> AsyncIterator[Finding]:
    begin, end = "SELECT * FROM (", f") AS broken (subject, detail) LIMIT {MAX_FINDINGS_PER_RULE}"
    limited = text(begin + statement + end)
    async with connection.stream(limited) as rows:
        async for row in rows:
            yield Finding(rule, row.subject, row.detail)
