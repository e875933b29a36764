"""What the database itself refuses, to the application's role and to the owner."""

from collections.abc import Iterator

import psycopg
import pytest

from onramp_app.ledger import instructions as ledger
from onramp_app.ledger.words import DEBIT_KINDS, TransferKind
from tests import rows
from tests.ledger.books import BY_OPERATOR, BY_POLL, NOW, Books, post_now

APPEND_ONLY = (
    "assets",
    "top_up_steps",
    "ledger_accounts",
    "ledger_transfers",
    "ledger_entries",
    "audit_log",
    "ledger_chain",
)
DEBIT = "0" * 32
ONE_COLUMN = {
    "assets": "code",
    "top_up_steps": "detail",
    "ledger_accounts": "kind",
    "ledger_entries": "transfer_id",
    "ledger_chain": "seq",
}


@pytest.fixture
async def booked(books: Books) -> Books:
    """Books with at least one row in every append-only table."""
    user_id = books.user()
    top_up_id = books.top_up(user_id)
    delivery = books.delivery(100, top_up_id=top_up_id)
    await post_now(ledger.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL))
    books.settle(top_up_id, 100)
    books.owner.execute(
        "INSERT INTO audit_log (id, at, actor, action, subject, address, detail)"
        " VALUES ('a1', %s, 'operator-1', 'grant_role', 'u', '127.0.0.1', '')",
        (NOW,),
    )
    rows.step(books.owner, top_up_id, at=NOW)
    rows.debit(books.owner, user_id, id=DEBIT)
    return books


@pytest.fixture
def application(booked: Books) -> Iterator[psycopg.Connection]:
    with psycopg.connect(booked.url, autocommit=True) as connection:
        connection.execute("SET ROLE onramp_app")
        yield connection


def _changes(table: str) -> list[str]:
    column = ONE_COLUMN.get(table, "id")
    return [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"]


def test_nobody_changes_what_is_booked(
    application: psycopg.Connection, booked: Books, subtests: pytest.Subtests
) -> None:
    for table in APPEND_ONLY:
        with subtests.test(table), psycopg.connect(booked.url) as unguarded:
            assert application.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
            for statement in _changes(table):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                    application.execute(statement)
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    booked.owner.execute(statement)
            # The control: without the trigger the owner could do it.
            unguarded.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            assert unguarded.execute(_changes(table)[0]).rowcount > 0
            unguarded.rollback()


def test_the_application_writes_neither_balances_nor_the_chain(application: psycopg.Connection) -> None:
    for statement in (
        "UPDATE user_balances SET available_minor = 10",
        "DELETE FROM user_balances",
        "TRUNCATE user_balances",
        "INSERT INTO user_balances SELECT user_id, 'BTC', 1, 0, 0, 1 FROM user_balances",
        "INSERT INTO ledger_chain VALUES (9, 'audit', 'x', sha256('x'), sha256('y'))",
        "SELECT append_to_chain('audit', 'x', 'y')",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DELETE FROM top_ups",
        "DELETE FROM provider_orders",
        "DELETE FROM exceptions",
        "UPDATE top_ups SET user_id = 'x'",
        "UPDATE top_ups SET fiat_amount = 1",
        "UPDATE exceptions SET kind = 'suspense'",
        "UPDATE widget_sessions SET address = 'x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(statement)


def test_a_temporary_table_does_not_stand_in_for_a_real_one(application: psycopg.Connection) -> None:
    before = application.execute("SELECT count(*) FROM ledger_chain").fetchone()
    application.execute("CREATE TEMP TABLE ledger_chain (LIKE public.ledger_chain)")
    application.execute("INSERT INTO audit_log SELECT 'a2', at, actor, action, '', '', '' FROM audit_log")
    assert application.execute("SELECT count(*) FROM pg_temp.ledger_chain").fetchone() == (0,)
    after = application.execute("SELECT count(*) FROM public.ledger_chain").fetchone()
    assert after == (before[0] + 1,)


_TRANSFER = (
    "INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, debit_id, source,"
    " created_at)"
    f" SELECT 'x1', 'simulator', 'debit:x1', sha256('x'), 'debit', user_id, '{DEBIT}', 'poll', now()"
    " FROM user_balances"
)
_ENTRY = "INSERT INTO ledger_entries SELECT '{}', id, {} FROM ledger_accounts WHERE kind = '{}'"


def test_a_transfer_that_does_not_balance_is_not_committed(application: psycopg.Connection) -> None:
    application.autocommit = False
    for entries in ([], [(1, "available")], [(1, "available"), (-2, "treasury")]):
        application.execute(_TRANSFER)
        for amount, kind in entries:
            application.execute(_ENTRY.format("x1", amount, kind))
        with pytest.raises(psycopg.errors.CheckViolation, match="does not balance"):
            application.commit()
    assert application.execute("SELECT count(*) FROM ledger_transfers").fetchone() == (1,)


def test_control_a_balanced_one_is_and_moves_the_balance(
    application: psycopg.Connection, booked: Books
) -> None:
    booked.owner.execute("INSERT INTO ledger_accounts (kind, asset) VALUES ('income', 'USDT')")
    with application.transaction():
        application.execute(_TRANSFER)
        application.execute(_ENTRY.format("x1", 40, "available"))
        application.execute(_ENTRY.format("x1", -40, "income"))
    assert application.execute("SELECT available_minor, version FROM user_balances").fetchone() == (60, 2)


def test_a_finished_transfer_takes_no_further_entries(application: psycopg.Connection, booked: Books) -> None:
    (transfer_id,) = application.execute("SELECT id FROM ledger_transfers").fetchone()
    booked.owner.execute("INSERT INTO ledger_accounts (kind, asset) VALUES ('income', 'USDT')")
    booked.owner.execute("INSERT INTO ledger_accounts (kind, asset) VALUES ('adjustments', 'USDT')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no further entries"):
        application.execute(
            "INSERT INTO ledger_entries SELECT %s, id, CASE kind WHEN 'income' THEN 1 ELSE -1 END"
            " FROM ledger_accounts WHERE kind IN ('income', 'adjustments')",
            (transfer_id,),
        )


def test_one_transfer_does_not_move_another_users_money(
    application: psycopg.Connection, booked: Books
) -> None:
    booked.owner.execute(
        "INSERT INTO ledger_accounts (kind, asset, user_id) VALUES ('available', 'USDT', %s)",
        (booked.user(),),
    )
    application.autocommit = False
    application.execute(_TRANSFER)
    application.execute(
        "INSERT INTO ledger_entries SELECT 'x1', a.id, CASE WHEN b.user_id IS NULL THEN -5 ELSE 5 END"
        " FROM ledger_accounts a LEFT JOIN user_balances b ON b.user_id = a.user_id"
        " WHERE a.kind = 'available'"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="another user"):
        application.commit()


def test_an_account_cannot_be_called_something_else(booked: Books) -> None:
    for columns, values, error in (
        ("kind, asset, name", "'income', 'BTC', 'x'", psycopg.errors.GeneratedAlways),
        ("kind, asset", "'available', 'BTC'", psycopg.errors.IntegrityError),
        ("kind, asset", "'treasury', 'BTC'", psycopg.errors.IntegrityError),
        ("kind, asset", "'income', 'NONE'", psycopg.errors.ForeignKeyViolation),
        ("kind, asset", "'spare', 'BTC'", psycopg.errors.IntegrityError),
    ):
        with pytest.raises(error):
            booked.owner.execute(f"INSERT INTO ledger_accounts ({columns}) VALUES ({values})")


def test_each_change_of_a_top_up_counts_its_version(booked: Books) -> None:
    (before,) = booked.owner.execute("SELECT version FROM top_ups").fetchone()
    booked.owner.execute("UPDATE top_ups SET charged = 'yes', version = 1")
    assert booked.owner.execute("SELECT version FROM top_ups").fetchone() == (before + 1,)


IMPOSSIBLE_TOP_UPS = (
    "status = 'settled', has_entry = false, received_minor = NULL, received_asset = NULL",
    "status = 'processing'",
    "status = 'in_review', reason = NULL",
    "status = 'done'",
    "reason = 'because'",
    "charged = 'maybe'",
    "rank = 71",
    "received_minor = 0",
    "received_asset = NULL",
    "settled_at = NULL",
    "fiat_amount = 'NaN'",
    "fiat_amount = 'Infinity'",
    "fiat_amount = -1",
    "fiat_currency = 'rupees'",
    "quote = '[]'",
    "linked_to = id",
    "environment = 'production'",
)
IMPOSSIBLE_ORDERS = (
    "bought_amount = 'NaN'",
    "gas_fee = -1",
    "status_class = 'finished'",
    "flow = 'sell'",
    "applied_version = 2",
    "version = 0",
    "raw = NULL",
    "delivered_minor = 0",
    "is_ours = NULL",
    "is_ours = false",
    "delivered_rule = NULL",
    "asset = NULL",
    "payment_kind = 4",
    "provider = 'other'",
)


def test_what_cannot_be_is_refused(booked: Books, subtests: pytest.Subtests) -> None:
    for table, changes in (("top_ups", IMPOSSIBLE_TOP_UPS), ("provider_orders", IMPOSSIBLE_ORDERS)):
        for change in changes:
            with subtests.test(f"{table}: {change}"), pytest.raises(psycopg.errors.CheckViolation):
                booked.owner.execute(f"UPDATE {table} SET {change}")
    # The control: ordinary changes are accepted.
    booked.owner.execute("UPDATE top_ups SET reason = NULL")
    booked.owner.execute("UPDATE provider_orders SET version = 2, status_number = 5")


def test_an_order_and_an_open_case_are_there_once(booked: Books) -> None:
    booked.open_case("unknown_status", order_row=_order(booked))
    with pytest.raises(psycopg.errors.UniqueViolation):
        booked.open_case("unknown_status", order_row=_order(booked))
    booked.close_cases(order_row=_order(booked))
    booked.open_case("unknown_status", order_row=_order(booked))
    with pytest.raises(psycopg.errors.UniqueViolation):
        booked.owner.execute(
            "INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, version,"
            " applied_version) SELECT 'other', environment, provider, flow, order_id, first_seen_at, 0, 0"
            " FROM provider_orders"
        )


def _order(books: Books) -> str:
    return books.owner.execute("SELECT id FROM provider_orders").fetchone()[0]


async def test_held_money_names_its_top_up(books: Books) -> None:
    user_id = books.user()
    delivery = books.delivery(100)
    with pytest.raises(Exception, match="without a top-up"):
        await post_now(
            ledger.receive_held(delivery, user_id=user_id, top_up_id=None, cause=BY_OPERATOR)  # type: ignore[arg-type]
        )


OPERATOR_KINDS = {
    "attribute": ("suspense", "available"),
    "release": ("held", "available"),
    "return": ("held", "payable"),
    "make_good": ("adjustments", "available"),
    "reverse": ("available", "payable"),
    "undo_reverse": ("payable", "available"),
    "remit": ("payable", "treasury"),
    "setoff": ("payable", "adjustments"),
    "write_off": ("adjustments", "owed"),
    "count": ("treasury", "adjustments"),
}


@pytest.fixture
def rich(booked: Books) -> Books:
    """Books in which every account has room for a change of one minor unit either way."""
    (user_id,) = booked.owner.execute("SELECT user_id FROM user_balances").fetchone()
    for kind in ("held", "owed", "suspense", "payable", "income", "adjustments"):
        booked.owner.execute(
            "INSERT INTO ledger_accounts (kind, asset, user_id) VALUES (%s, 'USDT', %s)",
            (kind, user_id if kind in ("held", "owed") else None),
        )
    with psycopg.connect(booked.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE user_balances SET held_minor = 50, owed_minor = 50")
        connection.execute(
            "INSERT INTO ledger_entries SELECT 'before', id, -50 FROM ledger_accounts"
            " WHERE kind IN ('suspense', 'payable')"
        )
    return booked


def _forge(
    connection: psycopg.Connection, name: str, kind: str, debit: str, credit: str, *, source: str = "poll"
) -> None:
    connection.execute(
        "INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, top_up_id,"
        " provider_order_id, debit_id, source, actor, reason, created_at)"
        " SELECT %(name)s, 'simulator', %(name)s, sha256('x'), %(kind)s, t.user_id, t.top_up_id,"
        " CASE WHEN %(kind)s IN ('make_good', 'write_off', 'count') OR %(kind)s LIKE 'debit%%' THEN NULL"
        f" ELSE t.provider_order_id END, CASE WHEN %(kind)s LIKE 'debit%%' THEN '{DEBIT}' END,"
        " %(source)s, 'operator-1', 'because', now()"
        " FROM ledger_transfers t LIMIT 1",
        {"name": name, "kind": kind, "source": source},
    )
    for account, amount in ((debit, 5), (credit, -5)):
        connection.execute(_ENTRY.format(name, amount, account))


def _commit_forged(
    connection: psycopg.Connection, kind: str, debit: str, credit: str, *, source: str, actor: str | None
) -> None:
    with connection.transaction():
        _forge(connection, kind, kind, debit, credit, source=source)
        if actor is not None:
            _record(connection, kind, actor=actor)


def _record(connection: psycopg.Connection, transfer_id: str, *, actor: str = "operator-1") -> None:
    connection.execute(
        "INSERT INTO audit_log (id, at, actor, action, subject, address, detail, transfer_id)"
        " VALUES (%s, now(), %s, 'x', '', '', '', %s)",
        (f"line-{transfer_id}", actor, transfer_id),
    )


def test_no_operator_transfer_is_committed_without_a_line_by_an_operator(
    application: psycopg.Connection, rich: Books, subtests: pytest.Subtests
) -> None:
    rows.insert(rich.owner, "users", **rows.user_row(id="operator-1", email="o@example.org"))
    somebody = rich.user()
    others = {"receive", "recover"} | {kind.value for kind in DEBIT_KINDS}
    assert set(OPERATOR_KINDS) | others == {kind.value for kind in TransferKind}
    for kind, (debit, credit) in (OPERATOR_KINDS | {"debit": ("available", "income")}).items():
        source = "operator" if kind == "debit" else "poll"
        with subtests.test(kind):
            rich.owner.execute("UPDATE users SET role = 'operator' WHERE id = 'operator-1'")
            for actor in (None, somebody, "nobody"):
                with pytest.raises(psycopg.errors.CheckViolation, match="no line"):
                    _commit_forged(application, kind, debit, credit, source=source, actor=actor)
            rich.owner.execute("UPDATE users SET role = 'user' WHERE id = 'operator-1'")
            with pytest.raises(psycopg.errors.CheckViolation, match="no line"):
                _commit_forged(application, kind, debit, credit, source=source, actor="operator-1")
            # The control: with an operator's line in the audit log it is committed.
            rich.owner.execute("UPDATE users SET role = 'operator' WHERE id = 'operator-1'")
            _commit_forged(application, kind, debit, credit, source=source, actor="operator-1")


def test_a_line_cannot_wait_for_its_transfer_nor_serve_another_one(
    application: psycopg.Connection, booked: Books
) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        _record(application, "later")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute("UPDATE audit_log SET transfer_id = 'later'")


def test_no_kind_moves_what_it_does_not_move(
    application: psycopg.Connection, rich: Books, subtests: pytest.Subtests
) -> None:
    """Operators' transfers disguised as another kind: a debit that credits, a recovery from nothing."""
    for kind, debit, credit in (
        ("debit", "treasury", "available"),
        ("debit", "income", "available"),
        ("debit", "adjustments", "available"),
        ("debit", "held", "income"),
        ("debit_hold", "held", "available"),
        ("debit_capture", "available", "income"),
        ("debit_release", "income", "available"),
        ("debit_reverse", "treasury", "available"),
        ("recover", "treasury", "available"),
        ("receive", "adjustments", "available"),
        ("receive", "suspense", "available"),
    ):
        with (
            subtests.test(f"{kind} {debit} {credit}"),
            pytest.raises(psycopg.errors.CheckViolation, match="does not move"),
            application.transaction(),
        ):
            _forge(application, "forged", kind, debit, credit)
