"""A database owner who rewrites the books is caught by the key; kept heads reveal a tail that was cut off."""
# ruff: noqa: E501 - a statement is easier to read in one piece

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
import structlog.testing

from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.ledger import instructions as ledger
from onramp_app.ledger import sealing
from onramp_app.ledger.seals import derived
from onramp_app.ledger.verification import Finding, chain_head, verify_books, verify_ledger
from tests.ledger.books import BY_POLL, Books, post_now
from tests.recorded_posting import spend

OLD, NEW = "an audit key of thirty-two bytes and more", "another audit key of thirty-two bytes and more"
# What a superuser could run: recompute the whole chain over the changed rows.
RECOMPUTE = """
DO $$
DECLARE link record; last bytea := decode(repeat('00', 32), 'hex');
BEGIN
    UPDATE ledger_chain SET previous_hash = sha256(convert_to('aside' || seq, 'UTF8'));
    FOR link IN SELECT * FROM ledger_chain ORDER BY seq LOOP
        UPDATE ledger_chain SET previous_hash = last, hash = sha256(last || convert_to(
            CASE kind WHEN 'transfer' THEN ledger_transfer_content(subject_id)
                      ELSE audit_row_content(subject_id) END, 'UTF8'))
         WHERE seq = link.seq RETURNING hash INTO last;
    END LOOP;
END $$
"""


@pytest.fixture
async def sealed(books: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Books that were sealed twice, under AUDIT_KEY."""
    monkeypatch.setenv("AUDIT_KEY", OLD)
    get_settings.cache_clear()
    for number in range(2):
        user_id = books.user()
        top_up_id = books.top_up(user_id)
        delivery = books.delivery(1000, top_up_id=top_up_id)
        whose = {"user_id": user_id, "top_up_id": top_up_id}
        await post_now(
            ledger.receive_available(delivery, **whose, cause=BY_POLL),
            spend(f"d{number}", books.amount(user_id, 300), cause=BY_POLL),
        )
        books.settle(top_up_id, 1000)
        assert await sealing.seal() is not None
    assert (await verify_books()).findings == []
    return books


def _as_superuser(books: Books, *statements: str) -> None:
    with psycopg.connect(books.url) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


def _rewrite(books: Books, *more: str) -> None:
    """Change the time of one transfer, and recompute the chain."""
    _as_superuser(
        books,
        "UPDATE ledger_transfers SET created_at = created_at - interval '1 day' WHERE reference = 'debit:shop:d0'",
        RECOMPUTE,
        *more,
    )


async def _without_keys() -> list[Finding]:
    async with transaction() as db:
        return await verify_ledger(db)


async def _rules(*, kept_head: str | None = None, heads: Path | None = None) -> set[str]:
    return {finding.rule for finding in (await verify_books(kept_head=kept_head, heads=heads)).findings}


async def test_a_chain_that_was_computed_again_is_found_with_the_key(sealed: Books) -> None:
    _rewrite(sealed)
    # The control: without the seals nothing reveals it.
    assert await _without_keys() == []
    assert await _rules() == {"seal_holds"}


async def test_seals_cannot_be_made_or_moved_without_the_key(sealed: Books) -> None:
    _rewrite(sealed, "UPDATE ledger_seals s SET hash = c.hash FROM ledger_chain c WHERE c.seq = s.seq")
    assert await _rules() == {"seal_is_genuine", "seal_follows", "unsealed"}
    key_id = derived("a key of the attacker's own, which is long enough")[0]
    _as_superuser(sealed, f"UPDATE ledger_seals SET key_id = '{key_id}'")
    assert "seal_is_genuine" in await _rules()


async def test_a_removed_seal_is_found_by_the_next_one(sealed: Books) -> None:
    _as_superuser(sealed, "DELETE FROM ledger_seals WHERE seq = (SELECT min(seq) FROM ledger_seals)")
    assert await _rules() == {"seal_follows"}


async def test_removed_seals_leave_links_that_nobody_sealed(
    sealed: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_superuser(sealed, "DELETE FROM ledger_seals")
    now = clock.now()
    monkeypatch.setattr("onramp_app.ledger.verification.now", lambda: now + timedelta(minutes=11))
    assert await _rules() == {"unsealed"}


async def test_a_chain_that_contradicts_its_seals_is_not_sealed_again(sealed: Books) -> None:
    _rewrite(sealed)
    for change in ((), ("DELETE FROM ledger_seals",)):
        _as_superuser(sealed, *change)
        with structlog.testing.capture_logs() as logs:
            await sealing.after_deed()
        assert [line["event"] for line in logs] == ["the books were changed behind their seals"]
    # The control: a process that has not sealed yet takes the chain for a new one.
    sealing.forget()
    assert await sealing.seal() is not None


async def test_a_tail_that_was_cut_off_with_its_seals_is_found_with_the_head_outside(
    sealed: Books, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "heads"
    monkeypatch.setenv("AUDIT_HEAD_TO", str(file))
    get_settings.cache_clear()
    await sealing.after_deed()
    await sealing.after_deed()
    assert len(file.read_bytes().splitlines()) == 2
    assert await _rules() == set()
    async with transaction() as db:
        head = await chain_head(db)
    last = "(SELECT max(seq) FROM ledger_chain)"
    debit = "(SELECT id FROM ledger_transfers WHERE reference = 'debit:shop:d1')"
    _as_superuser(
        sealed,
        f"DELETE FROM ledger_seals WHERE seq = {last}",
        f"UPDATE user_balances SET available_minor = 1000 WHERE user_id = (SELECT user_id FROM ledger_transfers WHERE id = {debit})",
        f"DELETE FROM ledger_entries WHERE transfer_id = {debit}",
        "DELETE FROM ledger_transfers WHERE reference = 'debit:shop:d1'",
        "DELETE FROM debits WHERE reference = 'd1'",
        f"DELETE FROM ledger_chain WHERE seq = {last}",
    )
    assert await _rules() == {"kept_head"}
    monkeypatch.delenv("AUDIT_HEAD_TO")
    get_settings.cache_clear()
    # The control: from within the database it is just a shorter chain.
    assert await _rules() == set()
    assert await _rules(heads=file) == {"kept_head"}
    assert await _rules(kept_head=str(head)) == {"kept_head"}


async def test_after_the_key_was_changed_old_seals_are_still_proved(
    sealed: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_KEY", NEW)
    monkeypatch.setenv("AUDIT_KEY_PREVIOUS", OLD)
    get_settings.cache_clear()
    assert await _rules() == set()
    delivery = sealed.delivery(5)
    await post_now(ledger.receive_suspense(delivery, cause=BY_POLL))
    sealed.open_case("suspense", order_row=delivery.provider_order_id)
    made = await sealing.seal()
    assert made is not None
    assert made.key_id == derived(NEW)[0]
    # Without the old key, its seals are covered by the newer key's, and tampering with them is still found.
    monkeypatch.delenv("AUDIT_KEY_PREVIOUS")
    get_settings.cache_clear()
    assert await _rules() == set()
    _as_superuser(
        sealed,
        "UPDATE ledger_seals SET at = at + interval '1 second' WHERE seq = (SELECT min(seq) FROM ledger_seals)",
    )
    assert await _rules() == {"seal_follows"}


async def test_no_key_is_in_the_database_and_production_without_one_seals_nothing(sealed: Books) -> None:
    settings = get_settings()
    (kept,) = sealed.owner.execute("SELECT string_agg(s::text, '') FROM ledger_seals s").fetchone()
    assert OLD not in kept
    assert derived(OLD)[1].hex() not in kept
    assert len(sealing.keys(settings.model_copy(update={"audit_key": None}))) == 1
    live = settings.model_copy(update={"audit_key": None, "replit_deployment": "1"})
    assert sealing.keys(live) == {}


class _Receiver(http.server.BaseHTTPRequestHandler):
    status = 200
    received: ClassVar[list[dict[str, object]]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/heads?token=hidden"
    server.shutdown()
    server.server_close()


async def test_the_head_goes_to_an_address_whose_outage_is_logged_and_harms_nothing(
    sealed: Books, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = await sealing.seal()
    assert made is not None
    for target, status in ((address, 500), ("http://127.0.0.1:9/x", 200), (f"{tmp_path}/none/heads", 200)):
        monkeypatch.setattr(_Receiver, "status", status)
        monkeypatch.setenv("AUDIT_HEAD_TO", target)
        get_settings.cache_clear()
        with structlog.testing.capture_logs() as logs:
            await sealing.after_deed()
        assert [line["event"] for line in logs] == ["the head was not taken to AUDIT_HEAD_TO"]
        assert "hidden" not in str(logs)
    monkeypatch.setenv("AUDIT_HEAD_TO", address)
    get_settings.cache_clear()
    await sealing.after_deed()
    head = _Receiver.received[-1]
    assert (head["seq"], head["hash"], head["mac"]) == (made.seq, made.hash.hex(), made.mac.hex())
