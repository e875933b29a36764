"""Posting happens once, is all or nothing, and takes the locks that keep balances from going negative."""

import asyncio
import secrets
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from onramp_app.db.engine import pool_size, transaction
from onramp_app.domain.environment import Environment
from onramp_app.ledger import instructions as ledger
from onramp_app.ledger.balances import balances, treasury_totals
from onramp_app.ledger.errors import AccountOverdrawn, InsufficientFunds, ReferenceTaken
from onramp_app.ledger.posting import MAX_INSTRUCTIONS, post
from onramp_app.ledger.transfers import Account, Balance, Instruction
from tests.ledger.books import BY_OPERATOR, BY_POLL, Books, findings, post_now
from tests.recorded_posting import spend


def _settled(books: Books, amount: int, *, asset: str = "USDT") -> tuple[str, Instruction]:
    user_id = books.user()
    top_up_id = books.top_up(user_id, asset=asset)
    delivery = books.delivery(amount, asset=asset, top_up_id=top_up_id)
    books.settle(top_up_id, amount, asset=asset)
    return user_id, ledger.receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL)


async def _balance(user_id: str, asset: str = "USDT") -> Balance:
    async with transaction() as db:
        found = {kept.asset: kept.balance for kept in (await balances(db, [user_id]))[user_id]}
    return found.get(asset, Balance())


async def test_a_posted_delivery_is_available_and_lies_in_the_treasury(books: Books) -> None:
    user_id, receive = _settled(books, 1_500_000)
    (posted,) = await post_now(receive)
    assert posted.is_new
    assert await _balance(user_id) == Balance(available_minor=1_500_000)
    async with transaction() as db:
        (total,) = await treasury_totals(db)
        (kept,) = (await balances(db, [user_id]))[user_id]
    assert (total.network, total.address, total.asset, total.balance_minor) == (
        "matic20",
        "0xaaaa",
        "USDT",
        1_500_000,
    )
    assert (kept.scale, kept.version) == (18, 1)
    assert await findings() == []


async def test_an_amount_of_thirty_eight_digits_is_kept_to_the_last_one(books: Books) -> None:
    amount = 12345678901234567890123456789012345678
    user_id, receive = _settled(books, amount)
    await post_now(receive)
    assert await _balance(user_id) == Balance(available_minor=amount)


async def test_the_database_names_accounts_as_the_code_does(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    await post_now(receive, spend("d", books.amount(user_id, 60), cause=BY_POLL))
    names = {row[0] for row in books.owner.execute("SELECT name FROM ledger_accounts")}
    made = receive.resolve(Balance())[0].entries
    assert {entry.account.name for entry in made} < names
    assert names == {
        f"user:{user_id}:USDT:available",
        "treasury:matic20:0xaaaa:USDT",
        "operator:USDT:income",
    }


async def test_the_same_reference_again_changes_nothing_and_says_so(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    (first,) = await post_now(receive)
    (second,) = await post_now(receive)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.transfer_id == second.transfer_id
    assert await _balance(user_id) == Balance(available_minor=100)


async def test_the_same_reference_twice_in_one_batch_is_posted_once(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    first, second = await post_now(receive, receive)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.transfer_id == second.transfer_id
    assert await _balance(user_id) == Balance(available_minor=100)


async def test_a_reference_with_another_input_is_refused_and_nothing_of_its_batch_is_posted(
    books: Books,
) -> None:
    user_id, receive = _settled(books, 100)
    other_user, other = _settled(books, 50)
    await post_now(receive)
    changed = replace(receive, amount_minor=101)
    with pytest.raises(ReferenceTaken) as refused:
        await post_now(other, changed)
    assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")
    assert await _balance(user_id) == Balance(available_minor=100)
    assert await _balance(other_user) == Balance()


async def test_a_delivery_posted_again_recovers_nothing_that_was_owed_later(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    await post_now(receive, spend("d", books.amount(user_id, 100), cause=BY_POLL))
    top_up_id = receive.top_up_id or ""
    delivery = ledger.Delivery(
        Environment.SIMULATOR, receive.provider_order_id or "", "1", "USDT", "matic20", "0xaaaa", 100
    )
    await post_now(ledger.reverse(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_OPERATOR))
    assert await _balance(user_id) == Balance(owed_minor=100)
    (again,) = await post_now(receive)
    assert not again.is_new
    assert await _balance(user_id) == Balance(owed_minor=100)
    # A repeated reversal is the same event too, although it would be split differently by now.
    (again,) = await post_now(
        ledger.reverse(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_OPERATOR)
    )
    assert not again.is_new


async def test_two_deliveries_of_a_debtor_in_one_batch_recover_what_is_owed_once(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    delivery = ledger.Delivery(
        Environment.SIMULATOR, receive.provider_order_id or "", "1", "USDT", "matic20", "0xaaaa", 100
    )
    top_up_id = receive.top_up_id or ""
    await post_now(receive, spend("d", books.amount(user_id, 100), cause=BY_POLL))
    await post_now(ledger.reverse(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_OPERATOR))
    later = []
    for amount in (70, 80):
        top_up = books.top_up(user_id)
        books.settle(top_up, amount)
        arrived = books.delivery(amount, top_up_id=top_up)
        later.append(ledger.receive_available(arrived, user_id=user_id, top_up_id=top_up, cause=BY_POLL))
    await post_now(*later)
    assert await _balance(user_id) == Balance(available_minor=50)
    recovered = books.owner.execute(
        "SELECT reference, amount_minor FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id"
        " WHERE t.kind = 'recover' AND amount_minor > 0 ORDER BY reference"
    ).fetchall()
    assert recovered == [("onramp:buy:2:recover", 70), ("onramp:buy:3:recover", 30)]


async def test_more_than_is_available_is_refused_with_insufficient_funds(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    await post_now(receive)
    with pytest.raises(InsufficientFunds) as refused:
        await post_now(spend("too-much", books.amount(user_id, 101), cause=BY_POLL))
    assert (refused.value.status, refused.value.code) == (409, "insufficient_funds")
    await post_now(spend("just-enough", books.amount(user_id, 100), cause=BY_POLL))
    assert await _balance(user_id) == Balance()


async def test_more_than_is_held_owed_in_suspense_or_payable_is_refused(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    await post_now(receive)
    top_up_id = receive.top_up_id or ""
    delivery = ledger.Delivery(
        Environment.SIMULATOR, receive.provider_order_id or "", "1", "USDT", "matic20", "0xaaaa", 100
    )
    whose = {"user_id": user_id, "top_up_id": top_up_id, "cause": BY_OPERATOR}
    for instruction in (
        ledger.release(delivery, **whose),
        ledger.attribute(delivery, **whose),
        ledger.remit(delivery, cause=BY_OPERATOR),
        ledger.setoff(delivery, cause=BY_OPERATOR),
        ledger.undo_reverse(delivery, **whose),
        ledger.write_off("w", books.amount(user_id, 1), cause=BY_OPERATOR),
    ):
        with pytest.raises(AccountOverdrawn):
            await post_now(instruction)
    assert await _balance(user_id) == Balance(available_minor=100)
    await post_now(ledger.reverse(delivery, **whose), ledger.remit(delivery, cause=BY_OPERATOR))
    assert books.accounts() == {}


async def test_one_refused_instruction_leaves_nothing_of_its_batch(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    with pytest.raises(InsufficientFunds):
        await post_now(receive, spend("too-much", books.amount(user_id, 101), cause=BY_POLL))
    assert (
        books.count("ledger_transfers") == books.count("ledger_entries") == books.count("ledger_chain") == 0
    )


async def test_the_same_order_of_another_environment_is_another_order(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    await post_now(receive)
    (posted,) = await post_now(
        ledger.make_good(
            "1", replace(books.amount(user_id, 5), environment=Environment.LIVE), cause=BY_OPERATOR
        ),
    )
    (other,) = await post_now(ledger.make_good("1", books.amount(user_id, 5), cause=BY_OPERATOR))
    assert posted.is_new
    assert other.is_new


async def test_nothing_and_too_much_at_once(books: Books) -> None:
    assert await post_now() == []
    _, receive = _settled(books, 100)
    with pytest.raises(ValueError, match="at once"):
        await post_now(*[receive] * (MAX_INSTRUCTIONS + 1))


def test_only_a_treasury_is_counted_and_only_a_difference_is_booked() -> None:
    treasury = Account(ledger.AccountKind.TREASURY, "USDT", network="matic20", address="0xaaaa")
    values = {"on": date(2026, 3, 1), "environment": Environment.LIVE, "cause": BY_OPERATOR}
    with pytest.raises(ValueError, match="not a treasury"):
        ledger.count(Account(ledger.AccountKind.SUSPENSE, "USDT"), missing_minor=1, **values)
    with pytest.raises(ValueError, match="moves nothing"):
        ledger.count(treasury, missing_minor=0, **values)


@pytest.mark.parametrize("owner_is_known", [True, False])
async def test_sixteen_posts_of_one_reference_at_once_post_it_once(
    books: Books, owner_is_known: bool
) -> None:
    for _ in range(10):
        _, receive = _settled(books, 100)
        if not owner_is_known:
            receive = ledger.receive_suspense(books.delivery(100), cause=BY_POLL)
        posted = await asyncio.gather(*(post_now(receive) for _ in range(16)))
        assert sum(answer[0].is_new for answer in posted) == 1
        assert len({answer[0].transfer_id for answer in posted}) == 1
    assert books.accounts()["treasury:matic20:0xaaaa:USDT"] == 1000


async def test_control_checking_before_inserting_posts_twice(books: Books) -> None:
    """The wrong way to post: check first and then insert, without a unique constraint on the reference."""
    _, receive = _settled(books, 100)
    books.owner.execute(
        "ALTER TABLE ledger_transfers DROP CONSTRAINT uq_ledger_transfers_environment_reference"
    )
    everybody_asked = asyncio.Barrier(pool_size())

    async def check_then_insert() -> None:
        async with transaction() as db:
            connection = await db.connection()
            found = await connection.scalar(
                text("SELECT count(*) FROM ledger_transfers WHERE reference = :reference"),
                {"reference": receive.reference},
            )
            await everybody_asked.wait()
            if found == 0:
                transfer_id = secrets.token_hex(16)
                await connection.execute(
                    text(
                        "INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id,"
                        " top_up_id, provider_order_id, source, created_at) VALUES (:id, 'simulator',"
                        " :reference, :hash, 'receive', :user, :top_up, :order, 'poll', now())"
                    ),
                    {
                        "id": transfer_id,
                        "reference": receive.reference,
                        "hash": receive.input_hash,
                        "user": receive.user_id,
                        "top_up": receive.top_up_id,
                        "order": receive.provider_order_id,
                    },
                )
                for kind, amount in (("treasury", 100), ("available", -100)):
                    await connection.execute(
                        text(
                            "INSERT INTO ledger_entries SELECT :id, id, :amount FROM ledger_accounts"
                            " WHERE kind = :kind"
                        ),
                        {"id": transfer_id, "amount": amount, "kind": kind},
                    )

    books.owner.execute(
        "INSERT INTO ledger_accounts (kind, asset, user_id, network, address)"
        " VALUES ('treasury', 'USDT', NULL, 'matic20', '0xaaaa'), ('available', 'USDT', %s, NULL, NULL)",
        (receive.user_id,),
    )
    await asyncio.gather(*(check_then_insert() for _ in range(pool_size())))
    assert books.accounts()["treasury:matic20:0xaaaa:USDT"] == 100 * pool_size()
    assert {finding.rule for finding in await findings()} >= {"order_has_one_receive", "top_up_has_receive"}


async def test_concurrent_spending_never_takes_more_than_is_there(books: Books) -> None:
    user_id, receive = _settled(books, 100)
    await post_now(receive)

    async def spend_some(number: int) -> bool:
        try:
            await post_now(spend(f"d{number}", books.amount(user_id, 30), cause=BY_POLL))
        except InsufficientFunds:
            return False
        return True

    assert sum(await asyncio.gather(*(spend_some(number) for number in range(16)))) == 3
    assert await _balance(user_id) == Balance(available_minor=10)


async def test_batches_of_the_same_users_in_opposite_order_do_not_block_each_other(books: Books) -> None:
    users = [books.user() for _ in range(6)]

    async def post_for(order: list[str], name: str) -> None:
        for turn in range(5):
            await post_now(
                *(
                    ledger.make_good(f"{name}-{turn}-{user_id}", books.amount(user_id, 1), cause=BY_OPERATOR)
                    for user_id in order
                )
            )

    await asyncio.wait_for(
        asyncio.gather(*(post_for(users if n % 2 else users[::-1], f"w{n}") for n in range(6))), timeout=30
    )
    assert [(await _balance(user_id)).available_minor for user_id in users] == [30] * 6


async def test_an_unknown_user_has_no_money(books: Books) -> None:
    with pytest.raises(IntegrityError, match="fk_user_balances_user_id"):
        await post_now(ledger.make_good("a", books.amount("nobody", 1), cause=BY_OPERATOR))


async def test_posting_nothing_takes_no_lock(books: Books) -> None:
    async with transaction() as db:
        assert await post(db, []) == []
        held = await (await db.connection()).scalar(
            text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        )
    assert held == 0
