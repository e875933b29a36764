"""Posting as operators and programs do: with the record that the database demands beside a transfer.

That record is the operator's line in the audit log, or the debit that a program requested.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import text

from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import StepSource
from onramp_app.domain.ids import new_id
from onramp_app.ledger.debits import instructions
from onramp_app.ledger.debits.instructions import Debit
from onramp_app.ledger.instructions import UserAmount
from onramp_app.ledger.posting import PostedTransfer, post
from onramp_app.ledger.transfers import Cause, Instruction
from onramp_app.ledger.words import TransferKind

_USER = text(
    "INSERT INTO users (id, email, password_hash, display_name, display_currency, language, role, kyc_status,"
    " kyc_tier, created_at, updated_at) VALUES (:id, :id || '@example.org', 'x', 'Operator', 'INR', 'en',"
    " 'operator', 'none', 'none', :at, :at) ON CONFLICT DO NOTHING"
)
_LINE = text(
    "INSERT INTO audit_log (id, at, actor, action, subject, address, detail, transfer_id)"
    " VALUES (:id, :at, :actor, :action, :subject, '', :detail, :transfer_id)"
)

_PROGRAM = text("INSERT INTO programs VALUES ('shop', 'shop', :at) ON CONFLICT DO NOTHING")
_DEBIT = text(
    "INSERT INTO debits (id, environment, program_id, reference, input_hash, user_id, asset, amount_minor,"
    " is_hold, status, posted_minor, released_minor, reversed_minor, created_at, updated_at)"
    " VALUES (:id, :environment, 'shop', :reference, sha256('x'), :user_id, :asset, :minor, false, 'posted',"
    " :minor, 0, 0, :at, :at) ON CONFLICT DO NOTHING"
)


def spend(reference: str, amount: UserAmount, *, cause: Cause) -> Instruction:
    """Return the instruction for a debit by the program `shop`; `post_on_record` writes the debit's row."""
    debit_id = hashlib.md5(reference.encode(), usedforsecurity=False).hexdigest()
    debit = Debit(amount.environment, debit_id, "shop", reference, amount.user_id, amount.asset)
    return instructions.debit(debit, amount.amount_minor, cause=cause)


def wants_line(instruction: Instruction) -> bool:
    return instruction.cause.source is StepSource.OPERATOR


async def post_on_record(wanted: Sequence[Instruction]) -> list[PostedTransfer]:
    """Post in one transaction with its records; missing operators are created first, their role logged."""
    actors = {one.cause.actor for one in wanted if wants_line(one)}
    async with transaction() as db:
        connection = await db.connection()
        for actor in sorted(actor for actor in actors if actor is not None):
            made = await connection.execute(_USER, {"id": actor, "at": now()})
            if made.rowcount:
                role = {"action": "account.role_granted", "subject": actor, "detail": '{"after": "operator"}'}
                line = {"id": new_id(), "at": now(), "actor": "command", "transfer_id": None}
                await connection.execute(_LINE, line | role)
    async with transaction() as db:
        for one in wanted:
            if one.kind is TransferKind.DEBIT:
                row = {"id": one.debit_id, "environment": one.environment.value, "user_id": one.user_id}
                named = {"reference": one.reference.removeprefix("debit:shop:"), "asset": one.asset}
                made = {"minor": Decimal(one.amount_minor), "at": now()}
                await (await db.connection()).execute(_PROGRAM, {"at": now()})
                await (await db.connection()).execute(_DEBIT, row | named | made)
        posted = await post(db, wanted)
        connection = await db.connection()
        for instruction, one in zip(wanted, posted, strict=True):
            if one.is_new and wants_line(instruction):
                line = {"id": new_id(), "at": now(), "actor": instruction.cause.actor}
                about = {"action": "test.posted", "subject": "", "detail": "{}"}
                await connection.execute(_LINE, line | about | {"transfer_id": one.transfer_id})
        return posted
