"""`mail send-test` prints the mail server's answer, and `check` logs in to the server."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.running.checks import CHECKS
from onramp_app.running.parts import UnwellError
from tests.mail_server import MailServer, mail_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A local mail server without encryption, used by the settings."""
    with mail_server(starts_tls=False) as server:
        monkeypatch.setenv("SMTP_URL", f"smtp://localhost:{server.port}")
        monkeypatch.setenv("MAIL_FROM", "Wallet <post@hafen.example>")
        monkeypatch.setenv("SUPPORT_EMAIL", "help@hafen.example")
        get_settings.cache_clear()
        yield server


def _run(address: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, ("mail", "send-test", address, "--json"))
    return done.exit_code, json.loads(done.stdout)


def test_a_mail_is_sent_at_once(server: MailServer) -> None:
    assert _run("Ada@example.com") == (0, {"sent": True, "to": "ada@example.com"})
    assert server.recipients == ["ada@example.com"]


def test_what_was_not_sent_is_told_by_the_status(server: MailServer) -> None:
    server.refusals["gone@example.com"] = "550 no such person"
    assert _run("gone@example.com")[0] == 1
    server.answer = "451 later"
    assert _run("ada@example.com")[0] == 4
    assert _run("not an address")[0] == 2


async def test_check_signs_in_and_sends_nothing(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await CHECKS["mail"](get_settings()) == (
        "The mail server lets us in. Emails come from Wallet <post@hafen.example>."
    )
    assert server.mails == []
    monkeypatch.setenv("SMTP_URL", f"smtp://wallet:secret-word@localhost:{server.port}")
    get_settings.cache_clear()
    with pytest.raises(UnwellError, match="cannot be used") as unwell:
        await CHECKS["mail"](get_settings())
    assert "secret-word" not in str(unwell.value)
