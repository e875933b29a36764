"""Old sessions are deleted with their refresh tokens, and nothing else is."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from onramp_app.accounts import program_sessions
from onramp_app.accounts.sessions import Client
from onramp_app.db.locks import Lock
from onramp_app.domain.ids import new_id
from onramp_app.running import retention
from tests import rows
from tests.people import open_another, sign_up

OLD, RECENT = "now() - interval '91 days'", "now() - interval '89 days'"


@pytest.fixture
async def session_ids(database: str) -> list[str]:
    """Five sessions of one person's programs, each with a refresh token."""
    client = Client("127.0.0.1")
    first = await sign_up(program_sessions.open_program, client)
    others = [
        await open_another(first.viewer.user_id, program_sessions.open_program, client) for _ in range(4)
    ]
    ids = [opened.viewer.session_id for opened in (first, *others)]
    ended = "UPDATE auth_sessions SET revoked_at = {}, end_reason = 'signed_out' WHERE id = %s"
    expired = "UPDATE auth_sessions SET created_at = '2020-01-01', expires_at = {} WHERE id = %s"
    with psycopg.connect(database, autocommit=True) as owner:
        for statement, session_id in zip(
            (ended.format(OLD), ended.format(RECENT), expired.format(OLD), expired.format(RECENT)),
            ids,
            strict=False,
        ):
            owner.execute(statement.encode(), (session_id,))
    return ids


def _left(database: str) -> set[str]:
    with psycopg.connect(database) as owner:
        left = {row[0] for row in owner.execute("SELECT id FROM auth_sessions")}
        assert {row[0] for row in owner.execute("SELECT session_id FROM refresh_tokens")} == left
    return left


async def test_sessions_that_ended_long_ago_go_and_all_others_stay(database, session_ids, monkeypatch):
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    assert await retention.purge() == {"auth_sessions": 2}
    assert _left(database) == {session_ids[1], session_ids[3], session_ids[4]}
    assert await retention.purge() == {}


async def test_nothing_is_purged_while_another_instance_is_at_it(database, session_ids):
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (Lock.PURGE,))
        assert await retention.purge() == {}
    assert _left(database) == set(session_ids)


async def test_a_purge_that_fails_is_tried_again_the_next_day(database, session_ids, monkeypatch):
    monkeypatch.setattr(retention, "_DAY_SECONDS", 0.05)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("ALTER TABLE auth_sessions RENAME TO elsewhere")
        task = asyncio.create_task(retention.purge_daily())
        await asyncio.sleep(0.3)
        owner.execute("ALTER TABLE elsewhere RENAME TO auth_sessions")
        async with asyncio.timeout(20):
            while len(_left(database)) > 3:  # noqa: ASYNC110  # a database has nothing to await
                await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


WEBHOOK = (
    "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs, handled_at)"
    " VALUES ('simulator', %s, '{}', now() - make_interval(days => %s), 'current', false, false, %s)"
)
REFUSAL = (
    "INSERT INTO webhook_refusals (environment, received_at, reason, address, header, body, body_bytes)"
    " VALUES ('simulator', now() - make_interval(days => %s), 'signature', '', '', '', 0)"
)
KEY = (
    "INSERT INTO idempotency_keys (user_id, key, request_hash, created_at)"
    " SELECT id, %s, sha256(''), now() - make_interval(hours => %s) FROM users LIMIT 1"
)


@pytest.mark.usefixtures("session_ids")
async def test_old_webhooks_refusals_and_kept_answers_go_and_what_waits_stays(database, monkeypatch):
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    with psycopg.connect(database, autocommit=True) as owner:
        for header, days, handled in (("a", 91, "now"), ("b", 95, "now"), ("c", 89, "now"), ("d", 400, None)):
            owner.execute(WEBHOOK, (header.encode(), days, handled))
        for days in (91, 89):
            owner.execute(REFUSAL, (days,))
        for key, hours in (("old", 25), ("new", 23)):
            owner.execute(KEY, (key, hours))
        purged = await retention.purge()
        assert purged == {
            "auth_sessions": 2,
            "webhook_events": 2,
            "webhook_refusals": 1,
            "idempotency_keys": 1,
        }
        headers = {bytes(row[0]) for row in owner.execute("SELECT header FROM webhook_events")}
        assert headers == {b"c", b"d"}, "one that was never acted on is kept, however old"
        assert owner.execute("SELECT key FROM idempotency_keys").fetchall() == [("new",)]
        assert owner.execute("SELECT count(*) FROM webhook_refusals").fetchone() == (1,)


MAIL = (
    "INSERT INTO outbox_mails (id, event_key, kind, user_id, recipient, language, details, created_at,"
    " useless_after, due_at, attempts, sent_at) SELECT %(key)s, %(key)s, %(kind)s, id, 'a@example.com',"
    " 'en', '{}', now() - make_interval(days => %(days)s), now(), now(), 0,"
    " now() - make_interval(days => %(sent)s)"
    " FROM users LIMIT 1"
)
APP = (
    "INSERT INTO authenticators (id, user_id, sealed_secret, made_at, confirmed_at, last_counter)"
    " SELECT %s, id, sha256('') || sha256(''), now() - interval '25 hours', %s, 0 FROM users LIMIT 1"
)
RESET = (
    "INSERT INTO factor_resets (id, user_id, asked_by, asked_at, due_at, ended_at, is_done)"
    " SELECT %s, u.id, o.id, now() - make_interval(days => %s), now(), now() - make_interval(days => %s),"
    " true FROM users u, users o WHERE u.id < o.id LIMIT 1"
)


@pytest.mark.usefixtures("session_ids")
async def test_old_mails_the_last_of_a_closed_account_and_what_was_begun_with_factors_go(database):
    await sign_up(program_sessions.open_program, Client("127.0.0.1"))
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("DELETE FROM outbox_mails")
        for key, kind, days, sent in (
            ("old", "new_device", 91, 90),
            ("waits", "new_device", 91, None),
            ("new", "new_device", 89, 88),
            ("last-old", "account_closed", 3, 2),
            ("last-new", "account_closed", 1, 0),
        ):
            owner.execute(MAIL, {"key": key, "kind": kind, "days": days, "sent": sent})
        owner.execute(APP, ("begun", None))
        owner.execute(APP, ("confirmed", "now"))
        for key, asked, ended in (("old", 100, 91), ("new", 100, 89)):
            owner.execute(RESET, (key, asked, ended))
        purged = await retention.purge()
        assert purged == {"auth_sessions": 2, "outbox_mails": 2, "authenticators": 1, "factor_resets": 1}
        left = {row[0] for row in owner.execute("SELECT id FROM outbox_mails")}
        assert left == {"waits", "new", "last-new"}
        assert owner.execute("SELECT id FROM authenticators").fetchall() == [("confirmed",)]
        assert owner.execute("SELECT id FROM factor_resets").fetchall() == [("new",)]


@pytest.mark.usefixtures("session_ids")
async def test_links_by_which_nothing_was_added_go_and_what_browsers_opened_goes_first(database):
    with psycopg.connect(database, autocommit=True) as owner:
        ((user_id,),) = owner.execute("SELECT id FROM users").fetchall()
        program_id, _ = rows.program(owner)
        now = datetime.now(UTC)
        links = {
            name: rows.add_money_link(
                owner,
                program_id,
                user_id,
                created_at=now - timedelta(days=200),
                expires_at=now - timedelta(days=days),
            )
            for name, days in (("old", 91), ("recent", 89), ("used", 91))
        }
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
        rows.top_up(owner, user_id, link_id=links["used"])
        for link, hours, ended in (
            ("recent", 25, None),
            ("used", -1, 25),
            ("used", -1, None),
            ("recent", 23, None),
        ):
            rows.insert(
                owner,
                "link_sessions",
                id=new_id(),
                link_id=links[link],
                created_at=now - timedelta(days=2),
                expires_at=now - timedelta(hours=hours),
                ended_at=None if ended is None else now - timedelta(hours=ended),
            )
        purged = await retention.purge()
        assert {name: purged[name] for name in ("add_money_links", "link_sessions")} == {
            "add_money_links": 1,
            "link_sessions": 2,
        }
        left = {row[0] for row in owner.execute("SELECT id FROM add_money_links")}
        assert left == {links["recent"], links["used"]}
