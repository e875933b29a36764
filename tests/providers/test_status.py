"""The classes of the provider's status numbers, against the table of docs/money.md."""

import json
from pathlib import Path

import pytest

from onramp_app.providers.status import Flow, StatusClass, status_class, white_label_status_class

STATUSES = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "onramp" / "order_statuses.json").read_text()
)
# The table of docs/money.md, duplicated here on purpose.
BUY = {
    "opened": (10, [0]),
    "claimed": (20, [1]),
    "paid": (30, [2, 10]),
    "buying": (40, [11, 12]),
    "bought": (50, [3, 13]),
    "sending": (60, [14]),
    "delivered": (70, [4, 15, 5, 16]),
    "timed_out": (0, [-1]),
    "abandoned": (0, [-2]),
    "name_mismatch": (0, [-3]),
    "amount_mismatch": (0, [-4]),
}
FLOWS = {"onramp": Flow.BUY, "offramp": Flow.SELL, "swap": Flow.SWAP}


@pytest.mark.parametrize("name", BUY)
def test_each_buy_number_has_the_class_and_rank_of_the_table(name: str) -> None:
    rank, numbers = BUY[name]
    assert StatusClass(name).rank == rank
    assert [status_class(Flow.BUY, number) for number in numbers] == [StatusClass(name)] * len(numbers)


def test_of_every_published_number_only_those_of_buying_have_a_class() -> None:
    for flow_name, rows in STATUSES.items():
        for number in (code for row in rows for code in row["codes"]):
            flow = FLOWS[flow_name]
            expected = next((c for c, (_, ns) in BUY.items() if number in ns), None)
            assert status_class(flow, number) == (expected if flow is Flow.BUY else None)


def test_all_other_numbers_are_unknown_and_never_a_success() -> None:
    listed = {number for _, numbers in BUY.values() for number in numbers}
    for number in [*range(-100, 1000), 10**17, None]:
        if number not in listed:
            assert status_class(Flow.BUY, number) is StatusClass.UNKNOWN
    assert StatusClass.UNKNOWN.rank == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FIAT_DEPOSIT_RECEIVED", StatusClass.PAID),
        ("TRADE_COMPLETED", StatusClass.BOUGHT),
        ("trade completed", StatusClass.BOUGHT),
        ("ON_CHAIN_INITIATED", StatusClass.SENDING),
        ("ON_CHAIN_COMPLETED", StatusClass.DELIVERED),
        ("COMPLETED", StatusClass.UNKNOWN),
        ("", StatusClass.UNKNOWN),
    ],
)
def test_white_label_texts_have_the_classes_of_the_table(text: str, expected: StatusClass) -> None:
    assert white_label_status_class(Flow.BUY, text) is expected
    assert white_label_status_class(Flow.SELL, text) is None


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["NAME_MISMATCH"], StatusClass.NAME_MISMATCH),
        (["Bank name mismatch"], StatusClass.NAME_MISMATCH),
        (["amount mismatch"], StatusClass.AMOUNT_MISMATCH),
        (["Transaction timed out"], StatusClass.TIMED_OUT),
        (["transaction abandoned"], StatusClass.ABANDONED),
        (["amount mismatch", "name mismatch"], StatusClass.UNKNOWN),
        (["bank is closed"], StatusClass.UNKNOWN),
        ([], StatusClass.UNKNOWN),
    ],
)
def test_a_white_label_failure_is_told_apart_by_its_reasons(
    reasons: list[str], expected: StatusClass
) -> None:
    assert white_label_status_class(Flow.BUY, "FAILED", failure_reasons=reasons) is expected
