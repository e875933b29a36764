"""Posts instructions: many in one transaction, each once. The only code that writes the books."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain.clock import now
from onramp_app.domain.ids import new_id
from onramp_app.ledger.errors import AccountOverdrawn, InsufficientFunds, ReferenceTaken
from onramp_app.ledger.transfers import Balance, Instruction, Transfer

MAX_INSTRUCTIONS = 1000

_LOCK = text("SELECT * FROM lock_user_balances(CAST(:users AS text[]), CAST(:assets AS text[]))")
_POSTED = text(
    "SELECT t.environment, t.reference, t.input_hash, t.id FROM ledger_transfers t"
    " JOIN unnest(CAST(:environments AS text[]), CAST(:refs AS text[])) AS g (environment, reference)"
    " USING (environment, reference)"
)
# Sorted by name, so that two transactions that need the same new accounts do not wait for each other.
_ACCOUNTS = text(
    "INSERT INTO ledger_accounts (kind, asset, user_id, network, address)"
    " SELECT g.kind, g.asset, g.user_id, g.network, g.address"
    " FROM unnest(CAST(:names AS text[]), CAST(:kinds AS text[]), CAST(:assets AS text[]),"
    " CAST(:users AS text[]), CAST(:networks AS text[]), CAST(:addresses AS text[]))"
    " AS g (name, kind, asset, user_id, network, address)"
    " WHERE NOT EXISTS (SELECT FROM ledger_accounts a WHERE a.name = g.name)"
    " ORDER BY g.name ON CONFLICT (name) DO NOTHING"
)
_TRANSFERS = text(
    "INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, top_up_id,"
    " provider_order_id, debit_id, source, actor, reason, created_at)"
    " SELECT g.*, CAST(:created_at AS timestamptz)"
    " FROM unnest(CAST(:ids AS text[]), CAST(:environments AS text[]), CAST(:refs AS text[]),"
    " CAST(:hashes AS bytea[]), CAST(:kinds AS text[]), CAST(:users AS text[]), CAST(:top_ups AS text[]),"
    " CAST(:orders AS text[]), CAST(:debits AS text[]), CAST(:sources AS text[]), CAST(:actors AS text[]),"
    " CAST(:reasons AS text[])) AS g"
    " ON CONFLICT (environment, reference) DO NOTHING RETURNING id"
)
_ENTRIES = text(
    "INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)"
    " SELECT g.transfer_id, a.id, g.amount_minor"
    " FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:amounts AS numeric(38, 0)[]))"
    " AS g (transfer_id, name, amount_minor) JOIN ledger_accounts a ON a.name = g.name"
)


_Key = tuple[str, str]  # environment and reference
_Posted = dict[_Key, tuple[bytes, str]]  # to the hash of the input and the transfer's id


@dataclass(frozen=True, slots=True)
class PostedTransfer:
    """What became of one instruction. `is_new` is false when it had been posted before.

    `available_before` and `available_after` are what its user had available of its asset, in minor units;
    the same where it was not posted now, and 0 where it has no user.
    """

    reference: str
    transfer_id: str
    is_new: bool
    available_before: int = 0
    available_after: int = 0


@dataclass(frozen=True, slots=True)
class _Made:
    transfer_id: str
    instruction: Instruction
    transfer: Transfer
    before: Balance
    after: Balance

    @property
    def key(self) -> _Key:
        return (self.instruction.environment.value, self.transfer.reference)


async def post(db: AsyncSession, instructions: Sequence[Instruction]) -> list[PostedTransfer]:
    """Post instructions in their order, at most 1,000, in the caller's transaction: all of them or none.

    Locks the users' balances, always in the same order: call this once in a transaction, after it took every
    other row lock. An instruction whose reference was posted with the same input does nothing.

    Raises:
        ReferenceTaken: a reference was used with another input.
        InsufficientFunds: a user has less available than is taken.
        AccountOverdrawn: held, owed, suspense or payable hold less than is taken.
        ValueError: more than 1,000 instructions.
        sqlalchemy.exc.IntegrityError: an unknown user, asset, top-up, provider order or debit.

    After any of these the transaction cannot go on.
    """
    if len(instructions) > MAX_INSTRUCTIONS:
        raise ValueError(f"more than {MAX_INSTRUCTIONS} instructions at once")
    if not instructions:
        return []
    connection = await db.connection()
    try:
        balances = await _lock_balances(connection, instructions)
        # Read after the locks: a transaction that posted the same for the same user has committed by now.
        posted = await _posted(connection, instructions)
        made = _resolve(instructions, balances=balances, posted=posted)
        inserted = await _insert_transfers(connection, made)
        raced = [one.instruction for one in made if one.transfer_id not in inserted]
        if raced:  # Suspense has no balance to lock: another transaction posted the same in between.
            posted |= await _posted(connection, raced)
            _resolve(raced, balances={}, posted=posted)
        await _insert_entries(connection, [one for one in made if one.transfer_id in inserted])
    except IntegrityError as error:
        raise _named(error) from error
    return _answers(instructions, made, inserted=inserted, posted=posted)


async def is_posted(db: AsyncSession, instruction: Instruction) -> bool:
    """Return whether the reference of an instruction was posted, with whatever input."""
    return bool(await _posted(await db.connection(), [instruction]))


async def _lock_balances(
    connection: AsyncConnection, instructions: Sequence[Instruction]
) -> dict[tuple[str, str], Balance]:
    wanted = sorted({(one.user_id, one.asset) for one in instructions if one.user_id is not None})
    if not wanted:
        return {}
    rows = await connection.execute(
        _LOCK, {"users": [user for user, _ in wanted], "assets": [asset for _, asset in wanted]}
    )
    return {
        (row.user_id, row.asset): Balance(int(row.available_minor), int(row.held_minor), int(row.owed_minor))
        for row in rows
    }


async def _posted(connection: AsyncConnection, instructions: Sequence[Instruction]) -> _Posted:
    rows = await connection.execute(
        _POSTED,
        {
            "environments": [one.environment.value for one in instructions],
            "refs": [one.reference for one in instructions],
        },
    )
    return {(row.environment, row.reference): (bytes(row.input_hash), row.id) for row in rows}


def _resolve(
    instructions: Sequence[Instruction],
    *,
    balances: dict[tuple[str, str], Balance],
    posted: _Posted,
) -> list[_Made]:
    made: list[_Made] = []
    known = {key: input_hash for key, (input_hash, _) in posted.items()}
    for instruction in instructions:
        key = (instruction.environment.value, instruction.reference)
        if key in known:
            if known[key] != instruction.input_hash:
                raise ReferenceTaken(f"The reference {instruction.reference} was used for something else.")
            continue
        known[key] = instruction.input_hash
        owner = (instruction.user_id or "", instruction.asset)
        balance = balances.get(owner, Balance())
        transfers = instruction.resolve(balance)
        balances[owner] = after = balance.after(transfers)
        made += [_Made(new_id(), instruction, transfer, balance, after) for transfer in transfers]
    return made


async def _insert_transfers(connection: AsyncConnection, made: Sequence[_Made]) -> set[str]:
    if not made:
        return set()
    causes = [one.instruction.cause for one in made]
    rows = await connection.execute(
        _TRANSFERS,
        {
            "ids": [one.transfer_id for one in made],
            "environments": [one.instruction.environment.value for one in made],
            "refs": [one.transfer.reference for one in made],
            "hashes": [one.instruction.input_hash for one in made],
            "kinds": [one.transfer.kind.value for one in made],
            "users": [one.instruction.user_id for one in made],
            "top_ups": [one.instruction.top_up_id for one in made],
            "orders": [one.instruction.provider_order_id for one in made],
            "debits": [one.instruction.debit_id for one in made],
            "sources": [cause.source.value for cause in causes],
            "actors": [cause.actor for cause in causes],
            "reasons": [cause.reason for cause in causes],
            "created_at": now(),
        },
    )
    return set(rows.scalars())


async def _insert_entries(connection: AsyncConnection, made: Sequence[_Made]) -> None:
    entries = [(one.transfer_id, entry) for one in made for entry in one.transfer.entries]
    if not entries:
        return
    accounts = list({entry.account.name: entry.account for _, entry in entries}.values())
    await connection.execute(
        _ACCOUNTS,
        {
            "names": [account.name for account in accounts],
            "kinds": [account.kind.value for account in accounts],
            "assets": [account.asset for account in accounts],
            "users": [account.user_id for account in accounts],
            "networks": [account.network for account in accounts],
            "addresses": [account.address for account in accounts],
        },
    )
    await connection.execute(
        _ENTRIES,
        {
            "ids": [transfer_id for transfer_id, _ in entries],
            "names": [entry.account.name for _, entry in entries],
            "amounts": [Decimal(entry.amount_minor) for _, entry in entries],
        },
    )


def _answers(
    instructions: Sequence[Instruction],
    made: Sequence[_Made],
    *,
    inserted: set[str],
    posted: _Posted,
) -> list[PostedTransfer]:
    ids = {key: transfer_id for key, (_, transfer_id) in posted.items()}
    new = {one.key: one for one in made if one.transfer_id in inserted}
    answers: list[PostedTransfer] = []
    for instruction in instructions:
        key = (instruction.environment.value, instruction.reference)
        is_new, own = key not in ids, new.get(key)
        transfer_id = ids.setdefault(key, own.transfer_id if own else "")
        posted_one = PostedTransfer(instruction.reference, transfer_id, is_new)
        if is_new and own is not None and instruction.user_id is not None:
            posted_one = replace(
                posted_one,
                available_before=own.before.available_minor,
                available_after=own.after.available_minor,
            )
        answers.append(posted_one)
    return answers


def _named(error: IntegrityError) -> Exception:
    diagnosis = getattr(error.orig, "diag", None)
    match getattr(diagnosis, "constraint_name", None):
        case "ck_user_balances_available":
            return InsufficientFunds("There is not enough available for this.")
        case "ck_user_balances_held" | "ck_user_balances_owed" | "ck_ledger_entries_sign" as name:
            return AccountOverdrawn(f"refused by {name}")
        case _:
            return error
