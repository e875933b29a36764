"""Whether the books are sound, for the operator."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from onramp_app.config import get_settings
from onramp_app.db.engine import PROOF, transaction
from onramp_app.domain.errors import ValidationFailed
from onramp_app.ledger import sealing
from onramp_app.ledger.transfers import Head
from onramp_app.ledger.verification import Finding, chain_head, verify_ledger


@dataclass(frozen=True, slots=True)
class Verification:
    """What is wrong with the books, and the head of their chain, to be kept outside the database.

    `head` is `{seq}:{hash}`, or None while nothing was booked. `notes` say what was not proved.
    """

    findings: list[Finding]
    head: str | None
    notes: list[str]


async def verify_books(*, kept_head: str | None = None, heads: Path | None = None) -> Verification:
    """Check all books at one moment.

    Args:
        kept_head: a head of an earlier run; with it, a removed tail of the books is found.
        heads: a file of heads; without one that of `AUDIT_HEAD_TO`, where it is a file that exists.

    Raises:
        ValidationFailed: `kept_head` is not a head, or the file of heads cannot be read.
        DatabaseUnavailable: the database does not answer.
    """
    settings = get_settings()
    try:
        kept: list[tuple[Head, str | None]] = []
        if kept_head is not None:
            kept.append((Head.parse(kept_head), None))
    except ValueError as error:
        raise ValidationFailed(f"The head cannot be read: {error}.") from None
    try:
        kept += await asyncio.to_thread(sealing.kept_heads, settings, heads)
    except (OSError, ValueError) as error:
        raise ValidationFailed(f"The file of heads cannot be used: {error}.") from None
    notes = []
    known = sealing.keys(settings)
    if not known:
        notes.append("AUDIT_KEY is not set: a chain that the database's owner computed again is not found.")
    if not kept:
        notes.append("No head from outside was given: a tail that was cut off with its seals is not found.")
    async with transaction(PROOF) as db:
        findings = await verify_ledger(db, keys=known, kept_heads=kept)
        head = await chain_head(db)
    return Verification(findings, None if head is None else str(head), notes)
