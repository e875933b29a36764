"""Requests for links are answered once, by the process that claims them, and not when they are too old."""

import asyncio
from typing import Any

import psycopg
import pytest

from onramp_app.accounts.sessions import Client
from onramp_app.recovery import requests
from tests import rows
from tests.databases import owner_of
from tests.mailed import mailed

CLIENT = Client("203.0.113.7", "Mozilla/5.0 (X11; Linux) Firefox/140.0")


@pytest.fixture
def owner(database: str) -> psycopg.Connection[Any]:
    return owner_of(database)


async def test_of_several_processes_one_answers_each_request(owner: psycopg.Connection[Any]) -> None:
    emails = [f"p{n}@example.org" for n in range(12)]
    for email in emails:
        rows.user(owner, email=email)
        await requests.ask(email, CLIENT)
    await asyncio.gather(*(requests.answer_some() for _ in range(6)))
    await requests.answer_some()
    assert sorted(mailed(owner)) == sorted(("reset_password", email) for email in emails)


async def test_a_request_that_waited_for_longer_than_a_link_lasts_is_dropped(
    owner: psycopg.Connection[Any],
) -> None:
    rows.user(owner, email="ada@example.org")
    await requests.ask("ada@example.org", CLIENT)
    owner.execute("UPDATE reset_requests SET asked_at = now() - interval '31 minutes'")
    assert await requests.answer_some() == 1
    assert mailed(owner) == []
    assert owner.execute("SELECT count(*) FROM reset_requests").fetchone() == (0,)


async def _ask(owner: psycopg.Connection[Any], email: str, addresses: list[str]) -> int:
    """Request a link from each address; return how many links are going to be mailed."""
    for address in addresses:
        await requests.ask(email, Client(address))
    asked = owner.execute("DELETE FROM reset_requests WHERE email = %s RETURNING id", (email,)).fetchall()
    return len(asked)


async def test_strangers_do_not_use_up_the_links_of_an_owner(owner: psycopg.Connection[Any]) -> None:
    email = "ada@example.org"
    assert await _ask(owner, email, ["198.51.100.66"] * 8) == 5, "the control: from one network"
    assert await _ask(owner, email, ["203.0.113.7"] * 8) == 5


async def test_from_everywhere_together_an_address_is_written_to_twenty_times_an_hour(
    owner: psycopg.Connection[Any],
) -> None:
    crowd = [f"198.51.{n}.1" for n in range(30)]
    assert await _ask(owner, "ada@example.org", crowd) == 20
    assert await _ask(owner, "bo@example.org", crowd[:1]) == 1, "each address is counted by itself"


async def test_a_mail_says_from_where_and_on_what_it_was_asked_for(owner: psycopg.Connection[Any]) -> None:
    rows.user(owner, email="ada@example.org")
    await requests.ask("ada@example.org", CLIENT)
    await requests.answer_some()
    details = owner.execute(
        "SELECT details::json ->> 'address', details::json ->> 'browser' FROM outbox_mails"
    )
    assert details.fetchone() == ("203.0.113.7", "Firefox")
