"""A mail is written once for its cause, sent once by the process that claims it, and eventually given up."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.mail import outbox
from onramp_app.mail.delivery import SmtpServer
from onramp_app.mail.links import new_link, secret_hash, secret_of
from onramp_app.mail.messages import text_of_row
from onramp_app.mail.outbox import Mail
from onramp_app.mail.sender import send_some
from onramp_app.mail.tables import OutboxMail
from onramp_app.mail.words import MailKind
from onramp_app.running.health import status
from tests import rows
from tests.mail_server import PASSWORD, USER, MailServer, mail_server, trusting


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as owner:
        yield owner


@pytest.fixture
def user_id(owner: psycopg.Connection[Any]) -> str:
    return rows.user(owner)


def _way(server: MailServer) -> SmtpServer:
    url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{server.port}"
    return SmtpServer(url, own_name="wallet.test", tls=trusting())


def _mail(user_id: str, key: str = "password/1", *, to: str = "ada@example.com") -> Mail:
    details = {"at": "2026-03-01T09:00:00+00:00", "address": "203.0.113.7"}
    return Mail(
        MailKind.PASSWORD_CHANGED, key, user_id, recipient=to, language="en", details=details, link=new_link()
    )


async def _write(*mails: Mail) -> None:
    async with transaction() as db:
        await outbox.write(db, mails)


def _states(owner: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return owner.execute(
        "SELECT sent_at IS NOT NULL, given_up_at IS NOT NULL, attempts, problem FROM outbox_mails ORDER BY id"
    ).fetchall()


async def test_a_mail_is_written_once_for_its_event_and_never_without_it(
    owner: psycopg.Connection[Any], user_id: str
) -> None:
    await asyncio.gather(*(_write(_mail(user_id)) for _ in range(16)))
    with suppress(ZeroDivisionError):
        async with transaction() as db:
            await outbox.write(db, [_mail(user_id, "password/2")])
            raise ZeroDivisionError
    assert owner.execute("SELECT event_key FROM outbox_mails").fetchall() == [("password/1",)]


async def test_an_account_without_a_mailbox_is_written_no_mail(
    owner: psycopg.Connection[Any], user_id: str
) -> None:
    await _write(_mail(user_id, "one", to=f"unclaimed-{user_id}@account.invalid"), _mail(user_id, "two"))
    assert owner.execute("SELECT event_key FROM outbox_mails").fetchall() == [("two",)]


async def test_of_several_senders_one_sends_each_mail(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    addresses = [f"p{n}@example.com" for n in range(24)]
    await _write(*(_mail(user_id, f"event/{n}", to=to) for n, to in enumerate(addresses)))
    done = await asyncio.gather(*(send_some(_way(server)) for _ in range(4)))
    assert sorted(server.recipients) == sorted(addresses)
    assert sum(one.sent for one in done) == 24
    assert all(was_sent for was_sent, *_ in _states(owner))
    assert (await send_some(_way(server))).taken == 0


async def test_a_mail_whose_note_was_lost_goes_out_under_the_same_id(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    await _write(_mail(user_id))
    await send_some(_way(server))
    owner.execute("UPDATE outbox_mails SET sent_at = NULL, due_at = now()")
    await send_some(_way(server))
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


async def test_while_the_server_is_away_nothing_is_lost_and_no_attempt_counts(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    await _write(_mail(user_id))
    gone = SmtpServer(f"smtp://localhost:{server.port + 1}", own_name="wallet.test", tls=trusting())
    assert (await send_some(gone)).is_away
    assert _states(owner) == [(False, False, 0, None)]
    owner.execute("UPDATE outbox_mails SET created_at = now() - interval '20 minutes', due_at = created_at")
    assert (await send_some(gone)).is_away
    (part,) = [part for part in await status() if part.name == "mail"]
    assert (part.is_well, part.detail) == (
        False,
        "1 emails wait to be sent, the oldest for 20 minutes.",
    )
    await send_some(_way(server))
    assert server.recipients == ["ada@example.com"]


async def test_a_refused_recipient_keeps_no_other_from_their_mail(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    server.refusals = {"gone@example.com": "550 no such person", "busy@example.com": "451 come back later"}
    await _write(*(_mail(user_id, to, to=to) for to in (*server.refusals, "ada@example.com")))
    done = await send_some(_way(server))
    assert (done.given_up, done.put_off, done.sent) == (1, 1, 1)
    assert server.recipients == ["ada@example.com"]
    assert sorted(_states(owner), key=str) == [
        (False, False, 1, "the server refuses the recipient with 451"),
        (False, True, 1, "the server refuses the recipient with 550"),
        (True, False, 1, None),
    ]


async def test_a_mail_that_is_put_off_waits_longer_each_time(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    server.answer = "452 full"
    await _write(_mail(user_id))
    waits = []
    for _ in range(3):
        await send_some(_way(server))
        waits.append(
            owner.execute("SELECT extract(epoch FROM due_at - now())::int FROM outbox_mails").fetchone()
        )
        owner.execute("UPDATE outbox_mails SET due_at = now()")
    assert [round(wait[0] / 30) for wait in waits if wait] == [1, 2, 4]


async def test_a_mail_that_is_of_no_use_any_more_is_given_up_and_not_sent(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    await _write(_mail(user_id))
    owner.execute("UPDATE outbox_mails SET useless_after = now()")
    assert (await send_some(_way(server))).given_up == 1
    assert server.mails == []
    assert _states(owner) == [(False, True, 0, "too late")]


async def test_the_database_holds_nothing_that_opens_a_link(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer
) -> None:
    mail = _mail(user_id)
    await _write(mail)
    secret = secret_of(mail.link) if mail.link else None
    assert secret is not None
    kept = str(owner.execute("SELECT m::text FROM outbox_mails m").fetchall())
    await send_some(_way(server))
    plain = server.mails[0].get_body(("plain",))
    assert plain is not None
    assert f"http://localhost:3000/confirm#{secret}" in plain.get_content(), "the control: the mail has it"
    kept += str(owner.execute("SELECT m::text FROM outbox_mails m").fetchall())
    assert secret not in kept
    assert secret_hash(secret).hex() in kept


async def test_a_link_outlives_one_change_of_the_key_and_not_two(
    owner: psycopg.Connection[Any], user_id: str, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = _mail(user_id)
    await _write(mail)
    before = get_settings().secret_key.get_secret_value()
    secret = secret_of(mail.link) if mail.link else None
    monkeypatch.setenv("SECRET_KEY", "another key for tests, long enough for it")
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", before)
    get_settings.cache_clear()
    async with transaction() as db:
        row = await db.get_one(OutboxMail, owner.execute("SELECT id FROM outbox_mails").fetchone()[0])
    assert f"#{secret}" in text_of_row(row).plain
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", "a third key for tests, long enough for it")
    get_settings.cache_clear()
    assert (await send_some(_way(server))).given_up == 1
    assert _states(owner) == [(False, True, 1, "LinkLost")]
