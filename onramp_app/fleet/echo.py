"""Tests whether notifications reach this process, by sending one through the pool and awaiting the echo."""

import secrets

from sqlalchemy import text

from onramp_app.db.engine import execute, transaction
from onramp_app.fleet import channels

ECHO_CHANNEL = "announcements_echo"
ECHO_WAIT_SECONDS = 2.0


class EchoTest:
    """Tests whether notifications reach this process. Behind a pooler LISTEN fails without an error.

    `is_well` is None until the first test. Each process has one: `echo_test`.
    """

    def __init__(self, *, wait_seconds: float = ECHO_WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self.is_well: bool | None = None
        self._word = secrets.token_hex(8)
        self._echo = channels.Bell()

    def note_echo(self, word: str) -> None:
        """Note a received echo. The echo of another process's test is ignored."""
        if word == self._word:
            self._echo.ring()

    async def run(self) -> bool:
        """Notify this process through the pool, and return whether the echo arrived in time.

        Raises:
            DatabaseUnavailable: the notification could not be sent.
        """
        await self._echo.wait(0)
        async with transaction() as db:
            call = text("SELECT pg_notify(:channel, :word)")
            await execute(db, call, {"channel": ECHO_CHANNEL, "word": self._word})
        self.is_well = await self._echo.wait(self._wait_seconds)
        return self.is_well


echo_test = EchoTest()
