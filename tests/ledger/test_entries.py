"""Posting makes the entries that the tables of entries and debits in docs/money.md list, row by row."""

from datetime import date

import pytest

from onramp_app.domain.environment import Environment
from onramp_app.ledger import instructions as ledger
from onramp_app.ledger.debits import instructions as debits
from onramp_app.ledger.debits.instructions import Debit
from onramp_app.ledger.instructions import Delivery, UserAmount
from onramp_app.ledger.transfers import Account, Balance, Entry, Instruction, Transfer
from onramp_app.ledger.words import AccountKind, TransferKind
from tests.ledger.books import BY_OPERATOR, BY_POLL

X = 700
DELIVERY = Delivery(Environment.SIMULATOR, "row-1", "338", "USDT", "matic20", "0xaaaa", X)
DEBIT = Debit(Environment.SIMULATOR, "d1", "shop", "order-77", "u1", "USDT")
WHOSE = {"user_id": "u1", "top_up_id": "t1", "cause": BY_POLL}
AMOUNT = UserAmount(Environment.SIMULATOR, "u1", "USDT", X)
TREASURY = Account(AccountKind.TREASURY, "USDT", network="matic20", address="0xaaaa")
EVERYTHING = Balance(available_minor=10**30, held_minor=10**30)

T = "treasury:matic20:0xaaaa:USDT"
AVAILABLE, HELD, OWED = (f"user:u1:USDT:{kind}" for kind in ("available", "held", "owed"))
SUSPENSE, PAYABLE = "suspense:USDT", "provider:onramp:USDT:payable"
INCOME, ADJUSTMENTS = "operator:USDT:income", "operator:USDT:adjustments"

# The event, the instruction, the balance before it, then reference → {account: debit or credit}.
ROWS: list[tuple[str, Instruction, Balance, dict[str, dict[str, int]]]] = [
    (
        "settled, short, or late",
        ledger.receive_available(DELIVERY, **WHOSE),
        Balance(),
        {"onramp:buy:338:receive": {T: X, AVAILABLE: -X}},
    ),
    (
        "our address, but another enabled asset; over a limit, frozen, rejected, above tolerance",
        ledger.receive_held(DELIVERY, **WHOSE),
        Balance(owed_minor=50),
        {"onramp:buy:338:receive": {T: X, HELD: -X}},
    ),
    (
        "owner unknown, our address",
        ledger.receive_suspense(DELIVERY, cause=BY_POLL),
        Balance(),
        {"onramp:buy:338:receive": {T: X, SUSPENSE: -X}},
    ),
    (
        "attributed to a user",
        ledger.attribute(DELIVERY, **WHOSE),
        Balance(),
        {"onramp:buy:338:attribute": {SUSPENSE: X, AVAILABLE: -X}},
    ),
    (
        "released",
        ledger.release(DELIVERY, **WHOSE),
        Balance(held_minor=X),
        {"onramp:buy:338:release": {HELD: X, AVAILABLE: -X}},
    ),
    (
        "returned",
        ledger.return_(DELIVERY, **WHOSE),
        Balance(held_minor=X),
        {"onramp:buy:338:return": {HELD: X, PAYABLE: -X}},
    ),
    (
        "operator makes a shortfall good",
        ledger.make_good("a1", AMOUNT, cause=BY_OPERATOR),
        Balance(),
        {"adjust:a1": {ADJUSTMENTS: X, AVAILABLE: -X}},
    ),
    (
        "reversal, user has Y = X",
        ledger.reverse(DELIVERY, **WHOSE),
        Balance(available_minor=X),
        {"onramp:buy:338:reverse": {AVAILABLE: X, PAYABLE: -X}},
    ),
    (
        "reversal, user has Y > X",
        ledger.reverse(DELIVERY, **WHOSE),
        Balance(available_minor=X + 1),
        {"onramp:buy:338:reverse": {AVAILABLE: X, PAYABLE: -X}},
    ),
    (
        "reversal, only Y < X left",
        ledger.reverse(DELIVERY, **WHOSE),
        Balance(available_minor=X - 1),
        {"onramp:buy:338:reverse": {AVAILABLE: X - 1, OWED: 1, PAYABLE: -X}},
    ),
    (
        "reversal, nothing left",
        ledger.reverse(DELIVERY, **WHOSE),
        Balance(),
        {"onramp:buy:338:reverse": {OWED: X, PAYABLE: -X}},
    ),
    (
        "sent back on chain",
        ledger.remit(DELIVERY, cause=BY_OPERATOR),
        Balance(),
        {"onramp:buy:338:remit": {PAYABLE: X, T: -X}},
    ),
    (
        "set off by the provider's invoice",
        ledger.setoff(DELIVERY, cause=BY_OPERATOR),
        Balance(),
        {"onramp:buy:338:setoff": {PAYABLE: X, ADJUSTMENTS: -X}},
    ),
    (
        "next delivery Z while O < Z is owed",
        ledger.receive_available(DELIVERY, **WHOSE),
        Balance(owed_minor=200),
        {
            "onramp:buy:338:receive": {T: X, AVAILABLE: -X},
            "onramp:buy:338:recover": {AVAILABLE: 200, OWED: -200},
        },
    ),
    (
        "next delivery Z while O > Z is owed",
        ledger.receive_available(DELIVERY, **WHOSE),
        Balance(owed_minor=X + 1),
        {
            "onramp:buy:338:receive": {T: X, AVAILABLE: -X},
            "onramp:buy:338:recover": {AVAILABLE: X, OWED: -X},
        },
    ),
    (
        "written off",
        ledger.write_off("w1", AMOUNT, cause=BY_OPERATOR),
        Balance(owed_minor=X),
        {"writeoff:w1": {ADJUSTMENTS: X, OWED: -X}},
    ),
    (
        "debit S",
        debits.debit(DEBIT, X, cause=BY_POLL),
        Balance(available_minor=X),
        {"debit:shop:order-77": {AVAILABLE: X, INCOME: -X}},
    ),
    (
        "held (authorised) S",
        debits.hold(DEBIT, X, cause=BY_POLL),
        Balance(available_minor=X),
        {"debit:shop:order-77:hold": {AVAILABLE: X, HELD: -X}},
    ),
    (
        "captured C",
        debits.capture(DEBIT, 30, reference="parcel-1", is_rest=False, cause=BY_POLL),
        Balance(held_minor=X),
        {"debit:shop:order-77:capture:parcel-1": {HELD: 30, INCOME: -30}},
    ),
    (
        "released",
        debits.release(DEBIT, 40, reference="end", cause=BY_POLL),
        Balance(held_minor=40),
        {"debit:shop:order-77:release": {HELD: 40, AVAILABLE: -40}},
    ),
    (
        "expired",
        debits.release(DEBIT, 40, reference="", cause=BY_POLL),
        Balance(held_minor=40, owed_minor=5),
        {"debit:shop:order-77:release": {HELD: 40, AVAILABLE: -40}},
    ),
    (
        "reversed R",
        debits.reverse(DEBIT, 20, reference="back-1", is_rest=False, cause=BY_POLL),
        Balance(owed_minor=5),
        {"debit:shop:order-77:reverse:back-1": {INCOME: 20, AVAILABLE: -20}},
    ),
    (
        "treasury counted, d less than the book",
        ledger.count(
            TREASURY,
            missing_minor=30,
            on=date(2026, 3, 1),
            environment=Environment.SIMULATOR,
            cause=BY_OPERATOR,
        ),
        Balance(),
        {f"count:{T}:2026-03-01": {ADJUSTMENTS: 30, T: -30}},
    ),
    (
        "treasury counted, more than the book",
        ledger.count(
            TREASURY,
            missing_minor=-30,
            on=date(2026, 3, 1),
            environment=Environment.SIMULATOR,
            cause=BY_OPERATOR,
        ),
        Balance(),
        {f"count:{T}:2026-03-01": {T: 30, ADJUSTMENTS: -30}},
    ),
    (
        "what was attributed or released while O is owed pays it, as any delivery does",
        ledger.release(DELIVERY, **WHOSE),
        Balance(held_minor=X, owed_minor=5),
        {
            "onramp:buy:338:release": {HELD: X, AVAILABLE: -X},
            "onramp:buy:338:recover": {AVAILABLE: 5, OWED: -5},
        },
    ),
    (
        "an undone reversal gives back what it took",
        ledger.undo_reverse(DELIVERY, **WHOSE),
        Balance(owed_minor=1),
        {"onramp:buy:338:undo_reverse": {PAYABLE: X, OWED: -1, AVAILABLE: 1 - X}},
    ),
    (
        "a reversal that is confirmed again after it was undone is a transfer of its own",
        ledger.reverse(DELIVERY, **WHOSE, turn=2),
        Balance(available_minor=X),
        {"onramp:buy:338:reverse:2": {AVAILABLE: X, PAYABLE: -X}},
    ),
]


def _movements(transfers: tuple[Transfer, ...]) -> dict[str, dict[str, int]]:
    return {
        transfer.reference: {entry.account.name: entry.amount_minor for entry in transfer.entries}
        for transfer in transfers
    }


@pytest.mark.parametrize(("event", "instruction", "balance", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_an_event_makes_the_entries_of_its_row(
    event: str, instruction: Instruction, balance: Balance, expected: dict[str, dict[str, int]]
) -> None:
    transfers = instruction.resolve(balance)
    assert _movements(transfers) == expected
    assert transfers[0].reference == instruction.reference


def test_every_kind_of_transfer_stands_in_the_table() -> None:
    made = {transfer.kind for _, instruction, balance, _ in ROWS for transfer in instruction.resolve(balance)}
    assert made == set(TransferKind)


@pytest.mark.parametrize(
    "entries",
    [
        (Entry(TREASURY, 5), Entry(Account(AccountKind.SUSPENSE, "USDT"), -4)),
        (Entry(TREASURY, 0), Entry(Account(AccountKind.SUSPENSE, "USDT"), 0)),
        (Entry(TREASURY, 5), Entry(TREASURY, -5)),
        (Entry(TREASURY, 5), Entry(Account(AccountKind.SUSPENSE, "BTC"), -5)),
        (Entry(TREASURY, 10**38), Entry(Account(AccountKind.SUSPENSE, "USDT"), -(10**38))),
        (),
    ],
    ids=["unbalanced", "of nothing", "within one account", "two assets", "too large", "empty"],
)
def test_a_transfer_that_the_database_would_refuse_is_not_even_made(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(ValueError, match="the-reference"):
        Transfer("the-reference", TransferKind.COUNT, entries)
    Transfer(
        "control", TransferKind.COUNT, (Entry(TREASURY, 5), Entry(Account(AccountKind.INCOME, "USDT"), -5))
    )


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_delivered_is_never_booked(amount: int) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        Delivery(Environment.SIMULATOR, "row-1", "338", "USDT", "matic20", "0xaaaa", amount)
    for instruction in (ledger.write_off, ledger.make_good):
        with pytest.raises(ValueError, match="moves nothing"):
            instruction("x", UserAmount(Environment.SIMULATOR, "u1", "USDT", amount), cause=BY_POLL)
    own = {"reference": "r", "is_rest": False}
    for of_debit, more in (
        (debits.debit, {}),
        (debits.hold, {}),
        (debits.capture, own),
        (debits.release, {"reference": "r"}),
        (debits.reverse, own),
    ):
        with pytest.raises(ValueError, match="moves nothing"):
            of_debit(DEBIT, amount, **more, cause=BY_POLL)


def test_an_event_has_the_same_hash_from_any_source_and_another_event_another_one() -> None:
    first = ledger.receive_available(DELIVERY, **WHOSE)
    assert (
        first.input_hash == ledger.receive_available(DELIVERY, **{**WHOSE, "cause": BY_OPERATOR}).input_hash
    )
    others = [
        ledger.receive_held(DELIVERY, **WHOSE),
        ledger.receive_suspense(DELIVERY, cause=BY_POLL),
        ledger.receive_available(DELIVERY, **{**WHOSE, "user_id": "u2"}),
        ledger.receive_available(DELIVERY, **{**WHOSE, "top_up_id": "t2"}),
        ledger.receive_available(
            Delivery(Environment.SIMULATOR, "row-1", "338", "USDT", "matic20", "0xaaaa", X + 1), **WHOSE
        ),
        ledger.receive_available(
            Delivery(Environment.SIMULATOR, "row-1", "338", "USDT", "matic20", "0xbbbb", X), **WHOSE
        ),
    ]
    assert len({first.input_hash, *(other.input_hash for other in others)}) == 1 + len(others)


def test_a_capture_of_the_rest_is_another_event_than_one_of_as_much() -> None:
    amounts = [
        make(DEBIT, 30, reference=reference, is_rest=is_rest, cause=BY_POLL).input_hash
        for make in (debits.capture, debits.reverse)
        for reference in ("a", "b")
        for is_rest in (True, False)
    ]
    assert len(set(amounts)) == len(amounts)
