"""Whether the books are sound, for the operator."""

from dataclasses import dataclass

from onramp_app.db.engine import PROOF, transaction
from onramp_app.domain.errors import ValidationFailed
from onramp_app.ledger.verification import Finding, Head, chain_head, verify_ledger


@dataclass(frozen=True, slots=True)
class Verification:
    """What is wrong with the books, and the head of their chain, to be kept outside the database.

    `head` is `{seq}:{hash}`, or None while nothing was booked.
    """

    findings: list[Finding]
    head: str | None


async def verify_books(*, kept_head: str | None = None) -> Verification:
    """Check all books at one moment.

    Args:
        kept_head: a head of an earlier run; with it, a removed tail of the books is found.

    Raises:
        ValidationFailed: `kept_head` is not a head.
        DatabaseUnavailable: the database does not answer.
    """
    try:
        earlier = Head.parse(kept_head) if kept_head is not None else None
    except ValueError as error:
        raise ValidationFailed(f"The head cannot be read: {error}.") from None
    async with transaction(PROOF) as session:
        findings = await verify_ledger(session, kept_head=earlier)
        head = await chain_head(session)
    return Verification(findings, None if head is None else str(head))
