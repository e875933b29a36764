"""How mails leave this application: through a mail server over TLS or, outside production, into a folder."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from onramp_app.config import Settings
from onramp_app.domain.networks import is_loopback
from onramp_app.mail.messages import sender_of

_ANSWER_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0
MAIL_SECONDS = 25.0  # the whole sending of one mail
_KEPT_FILES = 200

Send = Callable[[EmailMessage], Awaitable[None]]


class ServerAway(Exception):
    """No mail can be sent now, because the server does not answer or refuses us. The text says why."""


class MailPutOff(Exception):
    """The server refused this mail for now; a retry may succeed. The text says why, without an address."""


class MailRefused(Exception):
    """The server refused this mail for good. The text says why, without an address."""


class Delivery(Protocol):
    """A transport for mails."""

    def opened(self) -> AbstractAsyncContextManager[Send]:
        """Open the transport for a batch of mails; yield the function that sends one.

        Both raise `ServerAway`; the function also raises `MailPutOff` and `MailRefused`.
        """
        ...


class SmtpServer:
    """The mail server of `SMTP_URL`.

    `smtps` uses TLS from the start; `smtp` upgrades with STARTTLS before it logs in or sends anything, and
    sends nothing if the server does not offer it. The server's certificate must be valid.

    Args:
        url: the address of the server, with user name and password.
        own_name: the name that we give in EHLO.
        starts_tls: whether `smtp` upgrades to TLS; a connection within this machine need not.
        tls: whose certificates are trusted; by default those that the system trusts.
    """

    def __init__(
        self, url: str, *, own_name: str, starts_tls: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._is_tls else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._own_name = own_name
        self._starts_tls = starts_tls and not self._is_tls
        self._tls = tls or ssl.create_default_context()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Send]:
        """Connect, start TLS and log in."""
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._own_name,
            timeout=_ANSWER_SECONDS,
            use_tls=self._is_tls,
            start_tls=self._starts_tls,
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(MAIL_SECONDS):
                await client.connect()
                if self._user is not None and self._password is not None:
                    await client.login(self._user, self._password)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise ServerAway(why_away(error)) from error

        async def send(message: EmailMessage) -> None:
            await _send(client, message)

        try:
            yield send
        finally:
            # The mails have been accepted; a failing QUIT does not change that.
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await client.quit()
            client.close()


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or is_loopback(host)


async def _send(client: aiosmtplib.SMTP, message: EmailMessage) -> None:
    sender = parseaddr(str(message["From"]))[1]
    recipient = parseaddr(str(message["To"]))[1]
    try:
        async with asyncio.timeout(MAIL_SECONDS):
            await client.sendmail(sender, [recipient], message.as_bytes())
    except aiosmtplib.SMTPRecipientsRefused as error:
        _refuse(error.recipients[0].code, "recipient", error)
    except aiosmtplib.SMTPSenderRefused as error:
        raise ServerAway(f"it refuses MAIL_FROM with {error.code}") from error
    except aiosmtplib.SMTPResponseException as error:
        _refuse(error.code, "mail", error)
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        # This very mail may be what broke the connection, so only it is put off; the others are still tried.
        client.close()
        raise MailPutOff(type(error).__name__) from error


def _refuse(code: int, what: str, error: Exception) -> None:
    # RFC 5321 section 4.2.1: 4yz is transient, 5yz permanent. The server's text may repeat the address.
    why = f"the server refuses the {what} with {code}"
    raise (MailRefused if code >= 500 else MailPutOff)(why) from error


def why_away(error: Exception) -> str:  # noqa: PLR0911 - one answer a case
    """Return why the mail server could not be used, for the operator; never contains the password."""
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return f"it refuses the user name or the password of SMTP_URL ({error.code})"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not right: {error.verify_message}"
        case aiosmtplib.SMTPConnectTimeoutError() | TimeoutError():
            return "it does not answer in time"
        case aiosmtplib.SMTPNotSupported():
            return "it offers no way to sign in that we know"
        case aiosmtplib.SMTPResponseException():
            return f"it answers {error.code}"
        case aiosmtplib.SMTPException() if "STARTTLS" in str(error):
            return "it offers no TLS, without which nothing is sent"
        case aiosmtplib.SMTPException() if isinstance(error.__cause__, ssl.SSLError | OSError):
            return why_away(error.__cause__)
        case ssl.SSLError():
            return "it does not speak TLS there: smtps is for port 465, smtp for 587"
        case _:
            return f"it cannot be reached ({type(error).__name__})"


class MailFolder:
    """A folder where each mail becomes an `.eml` file for mail clients to open. The newest 200 are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Send]:
        """Make the folder, readable by its owner only, because mails hold links that open accounts."""
        await asyncio.to_thread(self._make)
        yield self._write
        await asyncio.to_thread(self._drop_oldest)

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServerAway(f"the folder for emails cannot be made ({type(error).__name__})") from error

    async def _write(self, message: EmailMessage) -> None:
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        try:
            await asyncio.to_thread((self._folder / f"{name}.eml").write_bytes, message.as_bytes())
        except OSError as error:
            raise ServerAway(f"no file can be written ({type(error).__name__})") from error

    def _drop_oldest(self) -> None:
        for old in sorted(self._folder.glob("*.eml"))[:-_KEPT_FILES]:  # ids begin with the time
            old.unlink(missing_ok=True)


class NoDelivery:
    """A transport that sends nothing: mails can only be read on the outbox page."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Send]:
        """Yield a function that discards the mail."""

        async def send(_: EmailMessage) -> None:
            return

        yield send


def smtp_server_of(settings: Settings) -> SmtpServer | None:
    """Return the mail server of `SMTP_URL`, or None where it is not set."""
    if settings.smtp_url is None:
        return None
    url = settings.smtp_url.get_secret_value()
    own_name = sender_of(settings)[1].rpartition("@")[2]
    return SmtpServer(url, own_name=own_name, starts_tls=not _is_this_machine(urlsplit(url).hostname or ""))
