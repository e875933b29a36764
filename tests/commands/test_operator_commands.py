"""Operators' commands on real books, as a shell sees them: output, exit status, JSON."""

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.db import engine
from onramp_app.ledger.instructions import Delivery
from onramp_app.ledger.transfers import Instruction
from tests.desk import REASON, Desk, store_webhook, unknown_id
from tests.ledger.books import BY_POLL, post_now
from tests.recorded_posting import spend

ESCAPE = "\x1b[2J\u202e\u009b1A"  # Clears the screen, reverses the text direction, moves the cursor up.


@dataclass
class Work:
    """Work for an operator: a held top-up, an order without an owner, a top-up in review, a settled one."""

    desk: Desk
    held: str
    held_order: str
    orphan: Delivery
    in_review: str
    settled: str

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    def act(self, *arguments: str) -> Result:
        mandate = self.desk.mandate
        return self.run(*arguments, "--reason", REASON, "--by", mandate.by, "--code", mandate.code)

    def answer(self, result: Result) -> dict[str, Any]:
        assert result.exit_code == 0, result.output
        document = json.loads(result.stdout)
        assert isinstance(document, dict)
        return document


@pytest.fixture
async def work(desk: Desk) -> Work:
    held, delivery = await desk.held(1_500_000_000_000_000_000)
    orphan = await desk.suspense(10**18)
    in_review = desk.in_review()
    settled, _ = await desk.settled(10**18)
    for minute, kind in enumerate(("held", "suspense", "in_review")):
        desk.books.owner.execute(
            "UPDATE exceptions SET opened_at = opened_at + make_interval(mins => %s) WHERE kind = %s",
            (minute, kind),
        )
    await engine.dispose()  # Each command runs its own event loop.
    return Work(desk, held, delivery.order_id, orphan, in_review, settled)


def test_the_list_shows_what_is_open_oldest_first(work: Work) -> None:
    document = work.answer(work.run("review", "list", "--json"))
    assert document["total"] == 3
    assert [item["kind"] for item in document["items"]] == ["held", "suspense", "in_review"]
    held, suspense, in_review = document["items"]
    assert held["since"] == "2026-03-01T12:00:00Z"
    assert (held["top_up_id"], held["order_id"]) == (work.held, work.held_order)
    assert (held["amount"], held["asset"], held["reason"]) == ("1.5", "USDT", "over_limit")
    assert held["user"] == f"{work.desk.owner_of(work.held)}@example.org"
    assert (suspense["top_up_id"], suspense["user"], suspense["amount"]) == (None, None, "1")
    assert suspense["order_id"] == work.orphan.order_id
    assert (in_review["top_up_id"], in_review["amount"]) == (work.in_review, None)
    shown = work.run("review", "list", "--limit", "1").stdout.splitlines()
    assert work.held in shown[0]
    assert shown[1:] == ["1 of 3 open cases."]


def test_what_the_provider_wrote_cannot_play_with_the_terminal(work: Work) -> None:
    work.desk.books.owner.execute("UPDATE exceptions SET detail = %s WHERE kind = 'held'", (ESCAPE,))
    event = store_webhook(
        work.desk.books, base64.b64encode(b"{}"), order_id=ESCAPE, body=f"{ESCAPE}\n".encode()
    )
    for arguments in (("review", "list"), ("webhooks", "list"), ("webhooks", "show", str(event))):
        shown = work.run(*arguments)
        assert shown.exit_code == 0
        assert "\\x1b[2J\\u202e\\x9b1A" in shown.stdout
        assert not set(ESCAPE[:1] + "\u202e\u009b") & set(shown.stdout)


def test_each_decision_is_printed_and_refused_the_second_time(work: Work) -> None:
    for command, top_up_id, status in (
        ("release", work.held, "settled"),
        ("close", work.in_review, "failed"),
        ("reverse", work.settled, "reversed"),
    ):
        done = work.answer(work.act("review", command, top_up_id, "--json"))
        assert (done["top_up_id"], done["status"]) == (top_up_id, status)
        again = work.act("review", command, top_up_id)
        assert (again.exit_code, again.stdout) == (1, "")
        assert again.stderr.startswith("This top-up is ")
    undone = work.act("review", "reverse", work.settled, "--undo")
    assert undone.stdout == f"Top-up {work.settled} is settled now: reversal undone, 1 USDT.\n"
    assert [action for _, action, _ in work.desk.audit()] == [
        "review.release",
        "review.close",
        "review.reverse",
        "review.undo_reverse",
    ]


def test_the_pages_of_the_user_are_notified_after_a_decision(work: Work) -> None:
    user_id = work.desk.owner_of(work.held)
    work.desk.books.owner.execute("LISTEN user_changed")
    work.answer(work.act("review", "release", work.held, "--json"))
    (notified,) = work.desk.books.owner.notifies(timeout=20, stop_after=1)
    assert notified.payload == user_id
    assert work.act("review", "release", work.held).exit_code == 1
    assert list(work.desk.books.owner.notifies(timeout=0.2)) == []


def test_a_return_is_printed(work: Work) -> None:
    assert work.act("review", "return", work.held).stdout == (
        f"Top-up {work.held} is reversed now: returned, 1.5 USDT.\n"
    )


def test_what_was_given_back_is_printed_and_refused_the_second_time(work: Work) -> None:
    work.act("review", "return", work.held)
    wanted = ("review", "setoff", work.held_order, "--invoice", "INV-2026/3")
    assert work.act(*wanted).stdout == f"Order {work.held_order} is set off now: 1.5 USDT, INV-2026/3.\n"
    again = work.act(*wanted)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "This order was recorded as set off by an invoice already.\n"
    work.act("review", "reverse", work.settled)
    (order,) = work.desk.books.owner.execute(
        "SELECT order_id FROM provider_orders WHERE top_up_id = %s", (work.settled,)
    ).fetchone()
    sent = "0x" + "ab" * 32
    done = work.answer(work.act("review", "remit", order, "--transaction", sent, "--json"))
    assert done == {
        "order_id": order,
        "top_up_id": work.settled,
        "done": "sent back",
        "amount": "1",
        "asset": "USDT",
        "evidence": sent,
        "reference": f"onramp:buy:{order}:remit",
    }


def test_what_was_made_good_and_written_off_is_printed_and_pages_are_notified(work: Work) -> None:
    user_id = work.desk.owner_of(work.settled)
    # The operator's own money, which a person spent on something.
    spent = spend("d", work.desk.books.amount(user_id, 10**18), cause=BY_POLL)
    asyncio.run(_post_and_leave(spent))
    wanted = ("review", "make-good", user_id, "USDT", "0.5", "--reference", "T-7")
    work.desk.books.owner.execute("LISTEN user_changed")
    made = work.act(*wanted)
    assert made.stdout == f"0.5 USDT made good for {user_id}@example.org: adjust:T-7.\n"
    (notified,) = work.desk.books.owner.notifies(timeout=20, stop_after=1)
    assert notified.payload == user_id
    again = work.act(*wanted)
    assert (again.exit_code, again.stderr) == (1, "adjust:T-7 was booked before. Nothing was done now.\n")
    work.act("review", "reverse", work.settled)
    list(work.desk.books.owner.notifies(timeout=1))
    done = work.answer(
        work.act("review", "write-off", user_id, "USDT", "0.5", "--reference", "T-8", "--json")
    )
    assert done == {
        "user_id": user_id,
        "email": f"{user_id}@example.org",
        "done": "written off",
        "amount": "0.5",
        "asset": "USDT",
        "reference": "writeoff:T-8",
    }
    (notified,) = work.desk.books.owner.notifies(timeout=20, stop_after=1)
    assert notified.payload == user_id


async def _post_and_leave(instruction: Instruction) -> None:
    await post_now(instruction)
    await engine.dispose()


def test_an_attribution_is_printed_and_refused_the_second_time(work: Work) -> None:
    user = work.desk.owner_of(work.settled)
    wanted = ("review", "attribute", work.orphan.order_id, user)
    seen = work.answer(work.run(*wanted, "--json"))
    assert (seen["done"], seen["top_up_id"], seen["user"]["email"]) == (False, None, f"{user}@example.org")
    assert f"Account {user}: {user}@example.org, Asha, user" in work.run(*wanted).stdout
    without = work.run(*wanted, "--yes")
    assert (without.exit_code, without.stderr) == (1, "Give --reason, --by and --code with --yes.\n")
    assert work.desk.audit() == []
    done = work.answer(work.act(*wanted, "--yes", "--json"))
    assert (done["done"], done["user"], done["amount"], done["asset"]) == (True, seen["user"], "1", "USDT")
    again = work.act(*wanted, "--yes")
    assert (again.exit_code, again.stdout) == (1, "")
    assert f"belongs to top-up {done['top_up_id']} already" in again.stderr
    left = work.answer(work.run("review", "list", "--json"))
    assert [item["kind"] for item in left["items"]] == ["held", "in_review"]


def test_a_case_that_was_looked_at_is_closed_by_its_own_id(work: Work) -> None:
    work.desk.books.open_case("not_ours", order_row=work.orphan.provider_order_id)
    (item,) = [
        one for one in work.answer(work.run("review", "list", "--json"))["items"] if one["kind"] == "not_ours"
    ]
    assert item["id"] in work.run("review", "list").stdout
    done = work.answer(work.act("review", "close", item["id"], "--case", "--json"))
    assert done == {"id": item["id"], "kind": "not_ours"}
    again = work.act("review", "close", item["id"], "--exception")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "This case is closed already.\n"
    assert work.desk.audit() == [(work.desk.operator_id, "review.close_exception", item["id"])]


def test_nothing_is_decided_without_a_reason_and_a_name(work: Work) -> None:
    before = work.desk.everything()
    by, why = ("--by", work.desk.mandate.by), ("--reason", REASON)
    for command in ("release", "return", "close", "reverse"):
        assert work.run("review", command, work.held, *by).exit_code == 2
        assert work.run("review", command, work.held, *why).exit_code == 2
        without = work.run("review", command, work.held, *by, *why)
        assert (without.exit_code, without.stdout) == (1, "")
        assert without.stderr.startswith("Give --code")
    nobody = work.run("review", "release", work.held, *why, "--by", unknown_id(), "--code", "x")
    assert (nobody.exit_code, nobody.stdout) == (1, "")
    assert "no account of the operator" in nobody.stderr
    assert work.desk.everything() == before


def test_webhooks_are_listed_shown_and_replayed(work: Work) -> None:
    body = {"orderId": 77, "status": 4, "fiatType": 1}
    header = base64.b64encode(json.dumps({"timestamp": 1772349917000, "body": body}).encode())
    event = str(store_webhook(work.desk.books, header, order_id="77"))
    listed = work.answer(work.run("webhooks", "list", "--order", "77", "--json"))
    assert [item["order_id"] for item in listed["items"]] == ["77"]
    assert work.answer(work.run("webhooks", "list", "--order", "78", "--json")) == {"items": []}
    shown = work.answer(work.run("webhooks", "show", event, "--json"))
    assert json.loads(shown["header"])["body"] == body
    assert (shown["id"], shown["signed_at"]) == (int(event), "2026-03-01T07:25:17Z")
    assert work.run("webhooks", "replay", event).exit_code == 2
    for turn in (1, 2):
        assert work.answer(work.act("webhooks", "replay", event, "--json"))["replays"] == turn
    assert "replayed 2 times" in work.run("webhooks", "list").stdout
    missing = work.act("webhooks", "replay", "999999")
    assert (missing.exit_code, missing.stdout, missing.stderr) == (
        1,
        "",
        "There is no webhook with this number.\n",
    )


def test_a_counted_treasury_is_compared_and_its_difference_booked(work: Work, tmp_path: Path) -> None:
    today = work.desk.books.owner.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')").fetchone()
    file = tmp_path / "counted.csv"
    file.write_text(f"network,address,asset,amount,date\nmatic20,0xaaaa,USDT,4,{today[0]}\n")
    compared = work.run("reconcile", "--treasury", str(file))
    assert compared.exit_code == 1
    line = f"treasury:matic20:0xaaaa:USDT  {today[0]}  book 3.5  counted 4  missing -0.5"
    assert compared.stdout == f"{line}\n"
    alone = work.run("reconcile", "--treasury", str(file), "--post")
    assert (alone.exit_code, alone.stderr) == (1, "Give --reason, --by and --code with --post.\n")
    assert work.desk.audit() == []
    posted = work.act("reconcile", "--treasury", str(file), "--post")
    assert (posted.exit_code, posted.stdout) == (0, f"{line}  booked now\n")
    even = work.answer(work.run("reconcile", "--treasury", str(file), "--json"))
    assert (even["ok"], even["compared"][0]["missing"]) == (True, "0")
    assert even["compared"][0]["on"] == today[0]


def test_a_file_that_cannot_be_used_is_refused_row_by_row(work: Work, tmp_path: Path) -> None:
    file = tmp_path / "counted.json"
    row = {"network": "matic20", "address": "0xaaaa", "asset": "USDT", "amount": "1", "date": "2026-03-31"}
    file.write_text(json.dumps([row, {**row, "address": "0xbbbb", "amount": 1}]))
    compared = work.run("reconcile", "--treasury", str(file))
    assert (compared.exit_code, compared.stdout) == (1, "")
    assert "count 2: all its members must be text, the amount too." in compared.stderr
    assert work.run("reconcile", "--treasury", str(tmp_path / "none.json")).exit_code == 2
