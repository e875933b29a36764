"""Proves the books: every rule is one statement that returns what breaks it, so sound books return nothing.

The rules look at the rows and trust no trigger: somebody may have switched the triggers off.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import get_settings
from onramp_app.db.engine import PROOF, execute, transaction
from onramp_app.domain.clock import now
from onramp_app.domain.errors import ValidationFailed
from onramp_app.domain.progress import report
from onramp_app.ledger import sealing
from onramp_app.ledger.rules import RULES
from onramp_app.ledger.seals import Keys, broken_heads, broken_seals
from onramp_app.ledger.transfers import Head

MAX_FINDINGS_PER_RULE = 10_000

KeptHead = tuple[Head, str | None]  # with the code of its seal, where that was kept too


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the rule that it breaks, the account, transfer or row it is in, and how."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What is wrong with the books, and the head of the chain, to be kept outside the database.

    `head` is `{seq}:{hash}`, or None while nothing is booked. `notes` say what was not proved.
    """

    findings: list[Finding]
    head: str | None
    notes: list[str]


async def verify_books(*, kept_head: str | None = None, heads: Path | None = None) -> Verification:
    """Check the books in a transaction of their own, with the configured keys and the kept heads.

    Args:
        kept_head: a head of an earlier run; with it, a removed tail of the books is found.
        heads: a file of heads; by default that of `AUDIT_HEAD_TO`, where that is a file that exists.

    Raises:
        ValidationFailed: `kept_head` is not a head, or the file of heads cannot be read.
        DatabaseUnavailable: the database does not answer.
    """
    try:
        kept: list[KeptHead] = [] if kept_head is None else [(Head.parse(kept_head), None)]
    except ValueError as error:
        raise ValidationFailed(f"The head cannot be read: {error}.") from None
    kept += await kept_heads(heads)
    async with transaction(PROOF) as db:
        return await verify_within(db, kept=kept)


async def kept_heads(heads: Path | None = None) -> list[KeptHead]:
    """Return the heads of a file, by default that of `AUDIT_HEAD_TO`, where that is a file that exists.

    Raises:
        ValidationFailed: the file cannot be read.
    """
    try:
        return await asyncio.to_thread(sealing.kept_heads, get_settings(), heads)
    except (OSError, ValueError) as error:
        raise ValidationFailed(f"The file of heads cannot be used: {error}.") from None


async def verify_within(
    db: AsyncSession, *, kept: Sequence[KeptHead] = (), at: datetime | None = None
) -> Verification:
    """Check the books in this transaction, as `verify_ledger` does, with the configured keys."""
    notes = []
    keys = sealing.keys(get_settings())
    if not keys:
        notes.append("AUDIT_KEY is not set: a chain that the database's owner computed again is not found.")
    if not kept:
        notes.append("No head from outside was given: a tail that was cut off with its seals is not found.")
    findings = await verify_ledger(db, keys=keys, kept_heads=kept, at=at)
    head = await chain_head(db)
    return Verification(findings, None if head is None else str(head), notes)


async def verify_ledger(
    db: AsyncSession,
    *,
    keys: Keys | None = None,
    kept_heads: Sequence[KeptHead] = (),
    at: datetime | None = None,
) -> list[Finding]:
    """Check all books and return what is wrong, at most 10,000 findings for each rule.

    Must come first in its transaction, which becomes read-only and sees one moment.

    Args:
        db: the transaction.
        keys: the keys of seals by id. Without them, a chain that was computed again leaves no trace.
        kept_heads: heads that were noted earlier and kept outside the database, each with the code of its
            seal. Without one, a removed tail (the newest links with all they cover, and their seals) leaves
            no trace.
        at: the moment by which links should be sealed; None: now.
    """
    await execute(db, text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    findings = []
    for number, (rule, statement) in enumerate(RULES.items(), start=1):
        report(f"proving the books, rule {number} of {len(RULES)} ({rule})")
        findings += await _breaks(db, rule, statement)
    report("proving the seals")
    found = await broken_seals(db, keys or {}, now=at or now())
    found += await broken_heads(db, list(kept_heads))
    return findings + [Finding(*one) for one in found]


async def chain_head(db: AsyncSession) -> Head | None:
    """Return the newest link of the chain, or None while nothing is booked."""
    found = await execute(
        db, text("SELECT seq, encode(hash, 'hex') AS hash FROM ledger_chain ORDER BY seq DESC LIMIT 1")
    )
    row = found.one_or_none()
    return None if row is None else Head(row.seq, row.hash)


async def _breaks(db: AsyncSession, rule: str, statement: str) -> list[Finding]:
    begin, end = "SELECT * FROM (", f") AS broken (subject, detail) LIMIT {MAX_FINDINGS_PER_RULE}"
    limited = text(begin + statement + end)
    return [Finding(rule, row.subject, row.detail) for row in await execute(db, limited)]
