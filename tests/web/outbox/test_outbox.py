"""The outbox page shows mails, except in production, where it shows nothing."""

import httpx
import psycopg
import pytest

from onramp_app.api.build import create_api
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import NotFound
from onramp_app.mail import outbox, views
from onramp_app.mail.outbox import Mail
from onramp_app.mail.words import MailKind
from onramp_app.web.outbox.state import OutboxState
from tests import rows

HANDLERS = OutboxState.event_handlers
DETAILS = {
    "top_up_id": "0" * 32,
    "fiat_amount": "1000",
    "fiat_currency": "INR",
    "charged": "yes",
    "amount": "11.3",
    "asset": "USDT",
}


@pytest.fixture
async def mail_id(database):
    with psycopg.connect(database, autocommit=True) as owner:
        user_id = rows.user(owner)
        mail = Mail(MailKind.TOP_UP_SETTLED, "one", user_id, "ada@example.com", "en", details=DETAILS)
        async with transaction() as db:
            await outbox.write(db, [mail])
        yield owner.execute("SELECT id FROM outbox_mails").fetchone()[0]


async def test_the_newest_mail_is_shown_at_once_and_any_other_when_chosen(mail_id, open_tab):
    tab = open_tab(path="/outbox")
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    state = await tab.state(OutboxState)
    assert [(line.mail_id, line.subject, line.state) for line in state.lines] == [
        (mail_id, "11.30 USDT is in your balance", "Waiting")
    ]
    assert (state.chosen, state.chosen_recipient) == (mail_id, "ada@example.com")
    await tab.send(HANDLERS["look"], "f" * 32)
    assert (await tab.state(OutboxState)).plain == ""
    await tab.send(HANDLERS["look"], mail_id)
    assert "Your top-up is complete." in (await tab.state(OutboxState)).plain


async def test_the_frame_gets_a_mail_in_which_nothing_runs(mail_id):
    transport = httpx.ASGITransport(app=create_api("Wallet"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        answer = await client.get(f"/api/outbox/{mail_id}")
        missing = await client.get(f"/api/outbox/{'f' * 32}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors http://localhost:3000"
    )
    assert "sandbox allow-top-navigation-by-user-activation" in policy
    assert "script-src" not in policy
    assert '<base target="_top">' in answer.text
    assert missing.status_code == 404


async def test_in_production_nobody_sees_a_mail(mail_id, monkeypatch, open_tab):
    class Production:
        is_production = True

    monkeypatch.setattr(views, "get_settings", Production)
    with pytest.raises(NotFound):
        await views.one(mail_id)
    tab = open_tab(path="/outbox")
    await tab.send(HANDLERS["load"])
    state = await tab.state(OutboxState)
    assert (state.lines, state.plain, state.is_empty) == ([], "", True)
