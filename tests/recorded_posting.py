"""Posting as operators do: with the line in the audit log without which the database commits nothing."""

from collections.abc import Sequence

from sqlalchemy import text

from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import StepSource
from onramp_app.domain.ids import new_id
from onramp_app.ledger.posting import PostedTransfer, post
from onramp_app.ledger.transfers import Instruction

_USER = text(
    "INSERT INTO users (id, email, password_hash, display_name, display_currency, language, role, kyc_status,"
    " kyc_tier, created_at, updated_at) VALUES (:id, :id || '@example.org', 'x', 'Operator', 'INR', 'en',"
    " 'operator', 'none', 'none', :at, :at) ON CONFLICT DO NOTHING"
)
_LINE = text(
    "INSERT INTO audit_log (id, at, actor, action, subject, address, detail, transfer_id)"
    " VALUES (:id, :at, :actor, :action, :subject, '', :detail, :transfer_id)"
)


def wants_line(instruction: Instruction) -> bool:
    return instruction.cause.source is StepSource.OPERATOR


async def post_on_record(instructions: Sequence[Instruction]) -> list[PostedTransfer]:
    """Post in one transaction; operators who do not exist are made first, with their role on record."""
    actors = {one.cause.actor for one in instructions if wants_line(one)}
    async with transaction() as db:
        connection = await db.connection()
        for actor in sorted(actor for actor in actors if actor is not None):
            made = await connection.execute(_USER, {"id": actor, "at": now()})
            if made.rowcount:
                role = {"action": "account.role_granted", "subject": actor, "detail": '{"after": "operator"}'}
                line = {"id": new_id(), "at": now(), "actor": "command", "transfer_id": None}
                await connection.execute(_LINE, line | role)
    async with transaction() as db:
        posted = await post(db, instructions)
        connection = await db.connection()
        for instruction, one in zip(instructions, posted, strict=True):
            if one.is_new and wants_line(instruction):
                line = {"id": new_id(), "at": now(), "actor": instruction.cause.actor}
                about = {"action": "test.posted", "subject": "", "detail": "{}"}
                await connection.execute(_LINE, line | about | {"transfer_id": one.transfer_id})
        return posted
