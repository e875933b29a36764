"""A real mail server on this machine, with TLS and logins, that keeps the mail it receives or refuses it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port

CERTIFICATE = Path(__file__).parent / "fixtures" / "mail_server.pem"
USER, PASSWORD = "wallet", "harbour/of:mails@9"


def trusting() -> ssl.SSLContext:
    """Return a TLS context for clients that trust this server's certificate."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@dataclass
class MailServer:
    """The mail that arrived, and the replies given: `refusals` by recipient, with "" meaning everyone."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    answer: str = "250 OK"
    hangs_up: bool = False

    async def handle_RCPT(  # noqa: N802 - the library's own name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if (refusal := self.refusals.get(address) or self.refusals.get("")) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's own name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.hangs_up:
            server.transport.close()
        if self.answer.startswith("250"):
            content = envelope.original_content or b""
            self.mails.append(message_from_bytes(content, policy=default))  # type: ignore[arg-type]
            self.envelopes.append(envelope)
            self.was_encrypted.append(session.ssl is not None)
        return self.answer

    @property
    def recipients(self) -> list[str]:
        return [address for envelope in self.envelopes for address in envelope.rcpt_tos]


def _authenticate(*arguments: Any) -> AuthResult:
    given = arguments[-1]
    is_right = isinstance(given, LoginPassword) and (given.login, given.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=is_right, handled=False)


@contextmanager
def mail_server(*, starts_tls: bool = True, demands_login: bool = True) -> Iterator[MailServer]:
    """Run a server that offers STARTTLS, or only plain text and no login when `starts_tls` is false."""
    demands_login = demands_login and starts_tls
    kept = MailServer(free_port())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=kept.port,
        tls_context=context if starts_tls else None,
        require_starttls=starts_tls,
        auth_required=demands_login,
        auth_require_tls=starts_tls,
        authenticator=_authenticate,
    )
    controller.start()
    try:
        yield kept
    finally:
        controller.stop()


@contextmanager
def tls_mail_server() -> Iterator[MailServer]:
    """Run a server that speaks TLS from the first byte."""
    kept = MailServer(free_port())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=kept.port,
        ssl_context=context,
        auth_required=True,
        auth_require_tls=False,  # It does not know that the connection is encrypted already.
        authenticator=_authenticate,
    )
    controller.start()
    try:
        yield kept
    finally:
        controller.stop()
