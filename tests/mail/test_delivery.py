"""Mail is sent over TLS with a valid certificate or not at all, and kinds of refusal are distinguished."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.ids import new_id
from onramp_app.mail import letters
from onramp_app.mail.delivery import MailFolder, MailPutOff, MailRefused, ServerAway, SmtpServer
from onramp_app.mail.messages import message_of, read
from tests.mail_server import PASSWORD, USER, MailServer, mail_server, tls_mail_server, trusting

TO = "ada@example.com"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


def _way(server: MailServer, *, scheme: str = "smtp", password: str = PASSWORD) -> SmtpServer:
    url = f"{scheme}://{USER}:{quote(password, safe='')}@localhost:{server.port}"
    return SmtpServer(url, own_name="wallet.test", tls=trusting())


async def _send(way: SmtpServer | MailFolder, recipient: str = TO) -> None:
    message = message_of(
        read(letters.trial()), recipient=recipient, message_id=new_id(), at=datetime.now(UTC)
    )
    async with way.opened() as send:
        await send(message)


async def test_a_mail_goes_over_tls_and_is_read_in_both_forms(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_FROM", "Hafen <post@hafen.example>")
    monkeypatch.setenv("SUPPORT_EMAIL", "help@hafen.example")
    get_settings.cache_clear()
    await _send(_way(server))
    (mail,) = server.mails
    assert server.was_encrypted == [True]
    assert server.recipients == [TO]
    assert (mail["To"], mail["From"]) == (TO, "Hafen <post@hafen.example>")
    assert (mail["Reply-To"], mail["Auto-Submitted"]) == ("help@hafen.example", "auto-generated")
    assert str(mail["Message-ID"]).endswith("@hafen.example>")
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "Emails from Wallet arrive" in html.get_content()
    assert "An operator sent this email" in plain.get_content()
    assert "help@hafen.example" in plain.get_content()


async def test_a_server_that_speaks_tls_from_the_first_byte_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_mail_server() as server:
        await _send(_way(server, scheme="smtps"))
        assert server.recipients == [TO]


async def test_nothing_is_said_to_a_server_without_tls() -> None:
    with mail_server(starts_tls=False) as server:
        with pytest.raises(ServerAway, match="offers no TLS"):
            await _send(_way(server))
        assert server.mails == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(server: MailServer) -> None:
    url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{server.port}"
    with pytest.raises(ServerAway, match="certificate is not right"):
        await _send(SmtpServer(url, own_name="wallet.test"))
    assert server.mails == []


async def test_a_wrong_password_is_named_and_not_repeated(server: MailServer) -> None:
    with pytest.raises(ServerAway, match="refuses the user name or the password") as refused:
        await _send(_way(server, password="another"))
    assert "another" not in str(refused.value)


async def test_a_server_that_is_away_is_told_apart(server: MailServer) -> None:
    gone = SmtpServer(f"smtp://localhost:{server.port + 1}", own_name="wallet.test", tls=trusting())
    with pytest.raises(ServerAway, match="cannot be reached"):
        await _send(gone)


@pytest.mark.parametrize(("code", "error"), [("450 later", MailPutOff), ("550 no such person", MailRefused)])
async def test_refusals_for_now_and_for_good_are_told_apart(
    server: MailServer, code: str, error: type[Exception]
) -> None:
    server.refusals[TO] = code
    with pytest.raises(error, match=f"refuses the recipient with {code[:3]}") as refused:
        await _send(_way(server))
    assert TO not in str(refused.value)


async def test_a_mail_that_the_server_hangs_up_on_is_put_off(server: MailServer) -> None:
    server.hangs_up = True
    with pytest.raises(MailPutOff):
        await _send(_way(server))


@pytest.mark.parametrize(
    "recipient", ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com\nSubject: x", "a\0@example.com"]
)
async def test_an_address_begins_no_other_header(server: MailServer, recipient: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        await _send(_way(server), recipient)
    assert server.mails == []


@pytest.mark.parametrize("name", ["Wallet\r\nBcc: eve@example.com", "Wallet\nX: y"])
def test_a_subject_begins_no_other_header(name: str) -> None:
    text = read(letters.trial())
    with pytest.raises(ValueError, match="Header values"):
        message_of(
            type(text)(name, text.html, text.plain),
            recipient=TO,
            message_id=new_id(),
            at=datetime.now(UTC),
        )


async def test_outside_production_mails_become_files_of_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    await _send(MailFolder(folder))
    (file,) = folder.iterdir()
    assert file.suffix == ".eml"
    assert b"Emails from Wallet arrive" in file.read_bytes()
    assert folder.stat().st_mode & 0o077 == 0
