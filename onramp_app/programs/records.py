"""What programs do stands in the audit log, by the key that they used."""

from collections.abc import Mapping

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain import clock
from onramp_app.ledger import audit
from onramp_app.programs.views import Program


def note(
    db: AsyncSession,
    program: Program,
    action: str,
    *,
    subject: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add a line about what a program changed, in the transaction of the change.

    Args:
        db: the transaction.
        program: the program with the key that it used.
        action: what was done.
        subject: to whom or what, by id.
        detail: the rest, without anything personal: lines stay for good.
    """
    audit.write(
        db,
        action,
        actor=f"key:{program.key_id}",
        subject=subject,
        at=clock.now(),
        detail={"program": program.id, **(detail or {})},
        address=program.address,
    )
