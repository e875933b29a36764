"""Every corruption of the books that a superuser can plant is found, and sound books have no findings."""

import asyncio
import json
import random
import re
from collections.abc import Iterable

import psycopg
import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.db import engine
from onramp_app.db.engine import transaction
from onramp_app.db.migrate import downgrade, migrate
from onramp_app.domain.environment import Environment
from onramp_app.domain.errors import ValidationFailed
from onramp_app.ledger import instructions as ledger
from onramp_app.ledger import sealing
from onramp_app.ledger.debits import instructions as debits
from onramp_app.ledger.debits.instructions import Debit
from onramp_app.ledger.rules import RULES
from onramp_app.ledger.verification import chain_head, verify_books, verify_ledger
from tests import rows
from tests.ledger.books import BY_OPERATOR, BY_POLL, NOW, Books, findings, post_now
from tests.ledger.breaks import BREAKS, TAMPERINGS
from tests.recorded_posting import spend

BEFORE_NAMES = "0013"
CHAIN_RULES = ("chain_is_whole", "chained_is_unchanged", "all_is_chained")


@pytest.fixture
async def sound(books: Books) -> Books:
    """Sound books with settled, held, unowned and spent money, a reversal and an audit log."""
    for number in range(3):
        user_id = books.user()
        top_up_id = books.top_up(user_id)
        delivery = books.delivery(1000 + number, top_up_id=top_up_id)
        whose = {"user_id": user_id, "top_up_id": top_up_id}
        await post_now(
            ledger.receive_available(delivery, **whose, cause=BY_POLL),
            spend(f"d{number}", books.amount(user_id, 300), cause=BY_POLL),
        )
        books.settle(top_up_id, 1000 + number)
    await post_now(ledger.reverse(delivery, **whose, cause=BY_OPERATOR))
    books.owner.execute("UPDATE top_ups SET status = 'reversed' WHERE id = %s", (top_up_id,))
    held_for = books.user()
    held_top_up = books.top_up(held_for)
    held = books.delivery(500, top_up_id=held_top_up)
    await post_now(ledger.receive_held(held, user_id=held_for, top_up_id=held_top_up, cause=BY_POLL))
    books.settle(held_top_up, 500, status="in_review")
    books.open_case("held", top_up_id=held_top_up)
    unknown = books.delivery(77, asset="BTC")
    await post_now(ledger.receive_suspense(unknown, cause=BY_POLL))
    books.open_case("suspense", order_row=unknown.provider_order_id)
    await _put_on_hold(books, books.user())
    for number in range(3):
        books.owner.execute(
            "INSERT INTO audit_log (id, at, actor, action, subject, address, detail)"
            " VALUES (%s, %s, 'operator-1', 'grant_role', 'somebody', '127.0.0.1', '')",
            (f"a{number}", NOW),
        )
    assert await findings() == []
    return books


async def _put_on_hold(books: Books, user_id: str) -> None:
    """Post a debit that was partly captured, of which some was reversed; the rest is still on hold."""
    top_up_id = books.top_up(user_id)
    delivery = books.delivery(400, top_up_id=top_up_id)
    whose = {"user_id": user_id, "top_up_id": top_up_id}
    await post_now(ledger.receive_available(delivery, **whose, cause=BY_POLL))
    books.settle(top_up_id, 400)
    hold = {"is_hold": True, "expires_at": NOW, "status": "held", "posted_minor": 30, "reversed_minor": 10}
    debit_id = rows.debit(books.owner, user_id, reference="h", amount_minor=90, **hold)
    of = Debit(Environment.SIMULATOR, debit_id, "shop", "h", user_id, "USDT")
    own = {"reference": "1", "is_rest": False, "cause": BY_POLL}
    await post_now(
        debits.hold(of, 90, cause=BY_POLL), debits.capture(of, 30, **own), debits.reverse(of, 10, **own)
    )


def _red(connection: psycopg.Connection, among: Iterable[str] = RULES) -> set[str]:
    """Return the rules that find something in this transaction's view of the books."""
    return {rule for rule in among if connection.execute(f"{RULES[rule]} LIMIT 1").fetchone()}


async def test_each_planted_break_is_found(sound: Books, subtests: pytest.Subtests) -> None:
    with psycopg.connect(sound.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.commit()
        assert _red(connection) == set()
        for name, rule, statements in BREAKS:
            with subtests.test(name):
                for statement in statements:
                    assert connection.execute(statement).rowcount > 0, statement
                assert rule in _red(connection)
            connection.rollback()


async def test_what_a_rule_finds_is_returned(sound: Books) -> None:
    sound.tamper("UPDATE user_balances SET available_minor = available_minor + 1 WHERE held_minor = 500")
    (finding,) = await findings()
    assert finding.rule == "kept_balance"
    assert finding.subject.endswith(" USDT")
    assert finding.detail == "kept 1/500/0, entries make 0/500/0 (available/held/owed)"


def test_every_rule_has_a_break_that_turns_it_red() -> None:
    assert {rule for _, rule, _ in BREAKS} == set(RULES)


async def test_a_removed_tail_is_found_with_the_head_that_was_kept_outside(sound: Books) -> None:
    async with transaction() as db:
        head = await chain_head(db)
    assert head is not None
    last = "(SELECT subject_id FROM ledger_chain WHERE seq = (SELECT max(seq) FROM ledger_chain))"
    sound.tamper(
        f"DELETE FROM audit_log WHERE id = {last}",
        "DELETE FROM ledger_chain WHERE seq = (SELECT max(seq) FROM ledger_chain)",
    )
    # The control: without the head it is just a shorter chain.
    assert await findings() == []
    async with transaction() as db:
        found = await verify_ledger(db, kept_heads=[(head, None)])
    assert [finding.rule for finding in found] == ["kept_head"]
    with pytest.raises(ValidationFailed, match="looks like"):
        await verify_books(kept_head="12")


async def test_books_that_are_written_to_meanwhile_are_still_sound(sound: Books) -> None:
    users = [sound.user() for _ in range(4)]
    done = asyncio.Event()

    async def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            amounts = [sound.amount(user_id, 1) for user_id in users]
            # Spending covers what is made good, so the treasury covers the books at every moment.
            await post_now(
                *(
                    ledger.make_good(f"{number}-{n}", amount, cause=BY_OPERATOR)
                    for n, amount in enumerate(amounts)
                ),
                *(spend(f"{number}-{n}", amount, cause=BY_POLL) for n, amount in enumerate(amounts)),
            )

    writing = asyncio.create_task(write())
    try:
        for _ in range(5):
            assert await findings() == []
    finally:
        done.set()
        await writing


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify-ledger", *arguments])


@pytest.fixture
async def left(sound: Books) -> Books:
    """Sound, sealed books with this loop's connections closed: each command runs its own event loop."""
    await sealing.seal()
    await engine.dispose()
    return sound


def test_the_command_exits_with_1_when_something_is_wrong(left: Books) -> None:
    fine = _command()
    assert fine.exit_code == 0, fine.output
    head = re.search(r"^0 findings\. Head: (\d+:[0-9a-f]{64})$", fine.stdout, re.MULTILINE)
    assert head is not None
    assert _command("--head", head[1]).exit_code == 0
    refused = _command("--head", "x")
    assert refused.exit_code == 2
    assert "looks like" in refused.stderr
    left.tamper("UPDATE audit_log SET actor = 'nobody' WHERE id = 'a1'")
    broken = _command("--json")
    assert broken.exit_code == 1
    answer = json.loads(broken.stdout)
    assert [finding["rule"] for finding in answer["findings"]] == ["chained_is_unchanged"]


async def _tampered_rows_are_found(books: Books, *, rows: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)  # noqa: T201 - a failed random trial needs its seed
    lot = random.Random(seed)
    users = [books.user() for _ in range(10)]
    for number in range(25):
        await post_now(
            *(
                ledger.make_good(f"{number}-{n}", books.amount(user_id, 50), cause=BY_OPERATOR)
                for n, user_id in enumerate(users)
            )
        )
        books.owner.execute(
            "INSERT INTO audit_log (id, at, actor, action, subject, address, detail)"
            " VALUES (%s, %s, 'operator-1', 'grant_role', 's', '', '')",
            (f"a{number}", NOW),
        )
    # As expected, nothing covers what was made good here.
    assert {finding.rule for finding in await findings()} == {"treasury_covers"}
    with psycopg.connect(books.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.commit()
        for _ in range(rows):
            table, column, statement = lot.choice(TAMPERINGS)
            keys = [row[0] for row in connection.execute(f"SELECT {column} FROM {table} ORDER BY 1")]
            change = statement.format(
                id=lot.choice(keys), n=lot.randrange(1001, 2000)
            )  # never an amount to zero
            assert connection.execute(change).rowcount > 0, change
            assert _red(connection, among=CHAIN_RULES), change
            connection.rollback()


async def test_each_of_40_tampered_rows_is_found(books: Books) -> None:
    await _tampered_rows_are_found(books, rows=40)


@pytest.mark.full
async def test_each_of_1000_tampered_rows_is_found(books: Books) -> None:
    await _tampered_rows_are_found(books, rows=1000)


@pytest.mark.parametrize("recorded", [True, False])
async def test_what_operators_booked_before_lines_named_transfers_is_still_sound(
    books: Books, recorded: bool
) -> None:
    downgrade(books.url, BEFORE_NAMES)
    operator = books.user()
    books.owner.execute("UPDATE users SET role = 'operator' WHERE id = %s", (operator,))  # with no audit line
    with books.owner.transaction():
        books.owner.execute(
            "INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, source, actor,"
            " reason, created_at) VALUES ('old', 'simulator', 'count:x:2026-03-01', sha256('x'), 'count',"
            " 'operator', %s, 'counted', now())",
            (operator,),
        )
        for kind, amount in (("treasury", 5), ("adjustments", -5)):
            place = ("matic20", "0xaaaa") if kind == "treasury" else (None, None)
            books.owner.execute(
                "INSERT INTO ledger_accounts (kind, asset, network, address) VALUES (%s, 'USDT', %s, %s)",
                (kind, *place),
            )
            books.owner.execute(
                "INSERT INTO ledger_entries SELECT 'old', id, %s FROM ledger_accounts WHERE kind = %s",
                (amount, kind),
            )
        if recorded:
            books.owner.execute(
                "INSERT INTO audit_log (id, at, actor, action, subject, address, detail)"
                " VALUES ('line', now(), %s, 'treasury.count', 'x', '', %s)",
                (operator, json.dumps({"reason": "counted", "reference": "count:x:2026-03-01"})),
            )
    migrate(books.url)
    # The migration has added a line for the role; the transfer is still found if no line had recorded it.
    assert {finding.rule for finding in await findings()} == (
        set() if recorded else {"operator_is_on_record"}
    )
