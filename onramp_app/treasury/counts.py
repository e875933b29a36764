"""Compares the treasury accounts in the books with what an operator counted on the chains.

A difference is booked only on request, once per account and day, against the operator's adjustments account:
it is either our mistake, which has to be found, or somebody's money.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import PROOF, execute, transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.domain.exact_json import NotJson, read_json
from onramp_app.domain.money import AmountUnreadable, amount_text, from_minor, to_minor
from onramp_app.ledger import instructions
from onramp_app.ledger.balances import TreasuryTotal, counted_since, last_counts, treasury_totals
from onramp_app.ledger.posting import post
from onramp_app.ledger.transfers import Account, Instruction
from onramp_app.ledger.words import AccountKind
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, Operator, deciding
from onramp_app.treasury.places import own_form

MAX_FILE_BYTES = 1024 * 1024
MAX_COUNTS = 1000
_COLUMNS = ("network", "address", "asset", "amount", "date")
_AMOUNT = re.compile(r"[0-9]{1,38}(?:\.[0-9]{1,18})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
# Without the lock, two operators who book counts of two days at once would book the same difference twice.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('treasury_counts'))")

# A count, the book balance of that day, and the counted amount in minor units.
_Pair = tuple["Count", TreasuryTotal, int]
_Key = tuple[str, str, str]  # network, address in the network's own form, asset


@dataclass(frozen=True, slots=True)
class Count:
    """An operator's count at one address: `amount` in whole units, as of the end of the day `on` in UTC."""

    network: str
    address: str
    asset: str
    amount: Decimal
    on: date


@dataclass(frozen=True, slots=True)
class ComparedAccount:
    """One treasury account, in whole units: the book balance, the counted amount, and what is missing.

    `missing` is negative where more was counted than is in the books. `reference` names the transfer that
    booked the difference, if one did.
    """

    account: str
    on: date
    book: str
    counted: str
    missing: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class TreasuryReport:
    """The compared accounts, and the names of accounts with a balance in the books that were not counted."""

    compared: list[ComparedAccount]
    not_counted: list[str]

    @property
    def is_even(self) -> bool:
        """Whether there is no difference that is not booked."""
        return all(one.missing == "0" or one.reference is not None for one in self.compared)


def read_counts(content: bytes) -> list[Count]:
    """Read a file of counts: a JSON list of objects, or CSV with a header.

    Each count has `network`, `address`, `asset`, `amount` (a decimal string, never a JSON number) and `date`
    (`YYYY-MM-DD`). A file has at most 1 MiB and 1,000 counts, one per account.

    Raises:
        ValidationFailed: the file cannot be used; it has an error for every row that cannot be read.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ValidationFailed("The file is larger than 1 MiB.")
    try:
        content_text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationFailed("The file is not UTF-8 text.") from None
    is_json = content_text.lstrip().startswith("[")
    rows = _json_rows(content_text) if is_json else _csv_rows(content_text)
    if not 1 <= len(rows) <= MAX_COUNTS:
        raise ValidationFailed(f"The file must hold 1 to {MAX_COUNTS} counts.")
    counts, errors = [], []
    seen: set[_Key] = set()
    for number, row in enumerate(rows, start=1):
        try:
            count = _count(row)
            key = _key(count.network, count.address, count.asset)
            if key in seen:
                raise ValueError("this account is counted twice in the file")
        except ValueError as error:
            errors.append(FieldError(f"count {number}", f"{error}."))
        else:
            seen.add(key)
            counts.append(count)
    if errors:
        raise ValidationFailed("The file cannot be used; nothing was done.", errors=tuple(errors))
    return counts


def _json_rows(content: str) -> Sequence[object]:
    try:
        rows = read_json(content)
    except NotJson as error:
        raise ValidationFailed(f"The file is not JSON that can be read: {error}.") from None
    return rows if isinstance(rows, list) else []


def _csv_rows(content: str) -> Sequence[object]:
    reader = csv.DictReader(io.StringIO(content), strict=True)
    try:
        if sorted(reader.fieldnames or ()) != sorted(_COLUMNS):
            raise ValidationFailed(f"The first line of a CSV file must be {','.join(_COLUMNS)}.")
        return list(reader)
    except csv.Error as error:
        raise ValidationFailed(f"The file is not CSV that can be read: {error}.") from None


def _count(row: object) -> Count:
    if not isinstance(row, Mapping) or set(row) != set(_COLUMNS):
        raise ValueError(f"it must have exactly {', '.join(_COLUMNS)}")
    if not all(isinstance(row[name], str) for name in _COLUMNS):
        raise ValueError("all its members must be text, the amount too")
    if not _AMOUNT.fullmatch(row["amount"]):
        raise ValueError("the amount must be digits, with at most 18 after a point")
    if not _DAY.fullmatch(row["date"]):
        raise ValueError("the date must look like 2026-03-31")
    on = date.fromisoformat(row["date"])
    if on > now().date():
        raise ValueError("the date lies in the future")
    return Count(row["network"], row["address"], row["asset"], Decimal(row["amount"]), on)


def _key(network: str, address: str, asset: str) -> _Key:
    return network, own_form(address), asset


async def compare(counts: Sequence[Count], *, mandate: Mandate | None = None) -> TreasuryReport:
    """Compare counts with the books and, with a mandate, book the differences: all of them or none.

    The book balance of a day includes what was posted until the end of that day in UTC, and the differences
    booked for that or an earlier day.

    Raises:
        ValidationFailed: an account is not in the books, an amount has too many decimals, or the mandate
            is unusable.
        NotFound, Forbidden, SecondOperatorNeeded: as for `operators.mandate.deciding`.
        ActionNotPossible: a difference of an account was already booked for this day or a later one.
        DatabaseUnavailable: it is unknown whether the differences were booked; check before retrying.
    """
    async with transaction(PROOF) as db:
        report = await _report(db, await _paired_with_books(db, counts))
    if mandate is None or report.is_even:
        return report
    async with deciding(mandate, purpose=PROOF) as operator:
        db = operator.db
        await execute(db, _ONE_AT_A_TIME)
        pairs = await _paired_with_books(db, counts)
        due = await _due(db, pairs, operator)
        # Splitting a difference into counts of several days must not avoid the second operator.
        lately = await counted_since(db, now() - timedelta(days=1))
        await operator.authorise(_deed(pairs, due, lately))
        posted = await post(db, due)
        if not all(one.is_new for one in posted):
            raise ActionNotPossible("A difference of this file was booked before: run verify-ledger.")
        booked = {one.reference: one.transfer_id for one in posted}
        report = await _report(db, pairs, booked=set(booked))
        for one in report.compared:
            if one.reference is not None:
                detail = {"account": one.account, "date": one.on.isoformat(), "book": one.book}
                detail |= {"counted": one.counted, "missing": one.missing, "reference": one.reference}
                operator.write_audit(
                    subject=one.account, at=now(), detail=detail, transfer_id=booked[one.reference]
                )
    return report


def _deed(pairs: Sequence[_Pair], due: Sequence[Instruction], lately: Sequence[tuple[Decimal, str]]) -> Deed:
    moves, state = [], {}
    for count, total, counted_minor in pairs:
        if missing_minor := total.balance_minor - counted_minor:
            missing = from_minor(missing_minor, scale=total.scale)
            moves.append((missing, total.asset))
            state[f"{_treasury(total).name} {count.on}"] = format(missing, "f")
    if not due:
        raise ActionNotPossible("There is no difference left to book.")
    # The deed covers exactly these differences: another count or account makes it a different deed.
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
    return Deed(
        "treasury.count",
        digest[:16],
        moves=tuple(moves),
        lately=tuple(lately),
        state={"differences": digest},
    )


async def _report(
    db: AsyncSession, pairs: Sequence[_Pair], *, booked: Collection[str] = ()
) -> TreasuryReport:
    compared = [_compared(count, total, minor, booked=booked) for count, total, minor in pairs]
    seen = {one.account for one in compared}
    names = {_treasury(total).name for total in await treasury_totals(db) if total.balance_minor}
    return TreasuryReport(compared, sorted(names - seen))


async def _paired_with_books(db: AsyncSession, counts: Sequence[Count]) -> list[_Pair]:
    books = {on: await treasury_totals(db, on=on) for on in sorted({count.on for count in counts})}
    return _paired(counts, books)


def _paired(counts: Sequence[Count], books: Mapping[date, Sequence[TreasuryTotal]]) -> list[_Pair]:
    """Return each count with the book balance of its day and the counted amount in minor units."""
    known = {
        (on, _key(total.network, total.address, total.asset)): total
        for on, totals in books.items()
        for total in totals
    }
    pairs, errors = [], []
    for number, count in enumerate(counts, start=1):
        total = known.get((count.on, _key(count.network, count.address, count.asset)))
        try:
            if total is None:
                raise ValueError("the books know no such treasury account")
            pairs.append((count, total, to_minor(count.amount, scale=total.scale)))
        except (ValueError, AmountUnreadable) as error:
            errors.append(FieldError(f"count {number}", f"{error}."))
    if errors:
        raise ValidationFailed("The file cannot be used; nothing was done.", errors=tuple(errors))
    return pairs


def _treasury(total: TreasuryTotal) -> Account:
    return Account(AccountKind.TREASURY, total.asset, network=total.network, address=total.address)


async def _due(db: AsyncSession, pairs: Sequence[_Pair], operator: Operator) -> list[Instruction]:
    """Return the instructions to book the differences. Days up to an account's last booked one are closed."""
    last, due = await last_counts(db), []
    for count, total, counted_minor in pairs:
        treasury, missing_minor = _treasury(total), total.balance_minor - counted_minor
        if missing_minor == 0:
            continue
        booked_on = last.get(treasury.name)
        if booked_on is not None and count.on <= booked_on:
            raise ActionNotPossible(
                f"A difference of {treasury.name} was booked for {booked_on} before: count a later day."
            )
        due.append(
            instructions.count(
                treasury,
                missing_minor=missing_minor,
                on=count.on,
                environment=current_environment(),
                cause=operator.cause,
            )
        )
    return due


def _compared(
    count: Count, total: TreasuryTotal, counted_minor: int, *, booked: Collection[str]
) -> ComparedAccount:
    name, missing_minor = _treasury(total).name, total.balance_minor - counted_minor
    reference = f"count:{name}:{count.on.isoformat()}"
    return ComparedAccount(
        account=name,
        on=count.on,
        book=amount_text(total.balance_minor, scale=total.scale),
        counted=amount_text(counted_minor, scale=total.scale),
        missing=amount_text(missing_minor, scale=total.scale),
        reference=reference if reference in booked else None,
    )
