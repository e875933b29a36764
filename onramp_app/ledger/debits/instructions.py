"""One function for each row of the table of debits in docs/money.md. Pure: nothing is posted here.

Amounts are minor units above zero (`ValueError` otherwise).
"""

from dataclasses import dataclass

from onramp_app.domain.environment import Environment
from onramp_app.ledger.transfers import Account, Cause, Entry, Instruction, Transfer
from onramp_app.ledger.words import AccountKind, TransferKind


@dataclass(frozen=True, slots=True)
class Debit:
    """Whose money is taken, by which program and under which of that program's references.

    `reference` and those of captures and reversals hold no colon, so no two transfers share a name.
    """

    environment: Environment
    id: str
    program_id: str
    reference: str
    user_id: str
    asset: str

    def name(self, kind: TransferKind, own: str = "") -> str:
        """Return the name under which this kind of transfer happens once; `own` is its own reference."""
        whole = f"debit:{self.program_id}:{self.reference}"
        match kind:
            case TransferKind.DEBIT_HOLD:
                return f"{whole}:hold"
            case TransferKind.DEBIT_CAPTURE:
                return f"{whole}:capture:{own}"
            case TransferKind.DEBIT_RELEASE:
                return f"{whole}:release"
            case TransferKind.DEBIT_REVERSE:
                return f"{whole}:reverse:{own}"
            case _:
                return whole


def debit(of: Debit, amount_minor: int, *, cause: Cause) -> Instruction:
    """Book that a user spends with the operator."""
    name = of.name(TransferKind.DEBIT)
    return _of(of, _made(name, TransferKind.DEBIT, _available(of), _income(of), amount_minor), cause=cause)


def hold(of: Debit, amount_minor: int, *, cause: Cause) -> Instruction:
    """Set money aside that the operator's product may capture later."""
    kind = TransferKind.DEBIT_HOLD
    return _of(of, _made(of.name(kind), kind, _available(of), _held(of), amount_minor), cause=cause)


def capture(of: Debit, amount_minor: int, *, reference: str, is_rest: bool, cause: Cause) -> Instruction:
    """Book that held money is spent. `is_rest`: all that was left was asked for, and no amount named."""
    kind = TransferKind.DEBIT_CAPTURE
    made = _made(of.name(kind, reference), kind, _held(of), _income(of), amount_minor)
    return _of(of, made, cause=cause, detail=(reference, _asked(is_rest=is_rest)))


def release(of: Debit, amount_minor: int, *, reference: str, cause: Cause) -> Instruction:
    """Let the user have again what is left of a hold. `reference` is "" where the hold expired."""
    kind = TransferKind.DEBIT_RELEASE
    made = _made(of.name(kind), kind, _held(of), _available(of), amount_minor)
    return _of(of, made, cause=cause, detail=(reference,))


def reverse(of: Debit, amount_minor: int, *, reference: str, is_rest: bool, cause: Cause) -> Instruction:
    """Give spent money back. `is_rest`: all that was not given back was asked for, and no amount named."""
    kind = TransferKind.DEBIT_REVERSE
    made = _made(of.name(kind, reference), kind, _income(of), _available(of), amount_minor)
    return _of(of, made, cause=cause, detail=(reference, _asked(is_rest=is_rest)))


def _asked(*, is_rest: bool) -> str:
    return "rest" if is_rest else "amount"


def _available(of: Debit) -> Account:
    return Account(AccountKind.AVAILABLE, of.asset, of.user_id)


def _held(of: Debit) -> Account:
    return Account(AccountKind.HELD, of.asset, of.user_id)


def _income(of: Debit) -> Account:
    return Account(AccountKind.INCOME, of.asset)


def _made(name: str, kind: TransferKind, taken: Account, given: Account, amount_minor: int) -> Transfer:
    if amount_minor <= 0:
        raise ValueError(f"{name} moves nothing")
    return Transfer(name, kind, (Entry(taken, amount_minor), Entry(given, -amount_minor)))


def _of(of: Debit, made: Transfer, *, cause: Cause, detail: tuple[str, ...] = ()) -> Instruction:
    return Instruction(
        made.reference,
        made.kind,
        of.environment,
        of.asset,
        made.entries[0].amount_minor,
        cause,
        resolve=lambda _: (made,),
        detail=detail,
        user_id=of.user_id,
        debit_id=of.id,
    )
