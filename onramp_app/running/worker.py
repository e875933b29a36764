"""The background loops of a process: read provider and networks, apply orders, send messages, end holds.

Any number of processes may run them. A process can be killed at any moment: the work still to be done is
recorded in the database, and another process picks it up.
"""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from onramp_app.chain import watcher
from onramp_app.chain.servers import get_servers
from onramp_app.config import get_settings
from onramp_app.crediting.apply import (
    ORDERS_AT_ONCE,
    ORDERS_AT_ONCE_AFTER_FAILURE,
    apply_some,
    judge_again,
    retry_some,
)
from onramp_app.crediting.delivery import DOCUMENTED, Symbols, symbols_of
from onramp_app.debits.expiry import keep_releasing
from onramp_app.fleet import changed_people, channels
from onramp_app.fleet.watch import background_tasks, keep_running, made_progress, rest
from onramp_app.ledger import sealing
from onramp_app.mail.sender import SEND_WITHIN_SECONDS, delivery_of, keep_sending
from onramp_app.outgoing_webhooks import sender as outgoing_webhooks
from onramp_app.provider_orders.reader import Reader, provider_away
from onramp_app.provider_orders.walks import ASKING_SECONDS
from onramp_app.providers.connection import get_provider
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.providers.port import Provider
from onramp_app.recovery.requests import ANSWER_WITHIN_SECONDS, keep_answering
from onramp_app.top_ups.moves import run_clock
from onramp_app.verification.reader import keep_reading

APPLY_TICK_SECONDS = 1.0
SYMBOLS_EVERY_SECONDS = 3600
SYMBOLS_RETRY_SECONDS = 15
# Longer than a transaction of fifty orders takes, including its waits for locks.
APPLY_WITHIN_SECONDS = 15.0
SEALING_SECONDS = 60.0
RELEASE_WITHIN_SECONDS = 15.0


@asynccontextmanager
async def background_work() -> AsyncIterator[None]:
    """Run this process's background loops while the context lasts; each stops between two transactions."""
    provider = get_provider()
    ids = _LiveIds(provider)
    delivery = delivery_of(get_settings())
    async with background_tasks(
        Reader(provider, run_clock=run_clock).run(),
        keep_running("apply", lambda: apply_loop(ids), within_seconds=APPLY_WITHIN_SECONDS),
        # Separate, so that new orders do not wait behind those that are likely to fail again.
        keep_running("retries", lambda: retry_loop(ids), within_seconds=APPLY_WITHIN_SECONDS),
        keep_running("seals", sealing.keep_sealing, within_seconds=SEALING_SECONDS),
        keep_running("live ids", ids.keep, within_seconds=ASKING_SECONDS),
        keep_running("mails", lambda: keep_sending(delivery), within_seconds=SEND_WITHIN_SECONDS),
        *(
            keep_running(
                f"chain {name}",
                partial(watcher.keep_looking, servers),
                within_seconds=watcher.LOOK_WITHIN_SECONDS,
            )
            for name, servers in get_servers().items()
        ),
        keep_running(
            "outgoing webhooks",
            outgoing_webhooks.keep_sending,
            within_seconds=outgoing_webhooks.SEND_WITHIN_SECONDS,
        ),
        keep_running("holds", keep_releasing, within_seconds=RELEASE_WITHIN_SECONDS),
        keep_running("reset requests", keep_answering, within_seconds=ANSWER_WITHIN_SECONDS),
        *_verification(),
    ):
        yield


def _verification() -> list[Coroutine[Any, Any, None]]:
    """Return the loop that reads the state of verifications, or none without `ONRAMP_WHITE_LABEL`."""
    if not get_settings().onramp_white_label:
        return []
    return [keep_running("verification", keep_reading, within_seconds=ASKING_SECONDS)]


class _LiveIds:
    """The provider's own map of coins and chains, as last read; `known` is None until the first read."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.known: Symbols | None = None

    async def keep(self) -> None:
        """Read the map every 15 seconds until a read has succeeded, and then once an hour."""
        while True:
            made_progress()
            try:
                self.known = symbols_of(await self._provider.id_maps(), get_settings())
            except ProviderUnavailable as error:
                # Until then the last map is used, or the documented one. Orders unknown to it are judged
                # later.
                provider_away.happened(error=type(error).__name__, wait_seconds=SYMBOLS_RETRY_SECONDS)
            await rest(SYMBOLS_RETRY_SECONDS if self.known is None else SYMBOLS_EVERY_SECONDS)


async def apply_loop(ids: _LiveIds) -> None:
    """Apply orders that were read: at once if the reader is in this process, otherwise within a second."""
    judged_with: Symbols | None = None
    most = ORDERS_AT_ONCE
    while True:
        if ids.known is not None and ids.known != judged_with:
            await judge_again()
            judged_with = ids.known
            made_progress()
        applied = await apply_some(judged_with or DOCUMENTED, most=most)
        most = ORDERS_AT_ONCE_AFTER_FAILURE if applied.was_split else min(2 * most, ORDERS_AT_ONCE)
        changed_people.announce_changes(applied.users, applied.credits)
        made_progress()
        if not applied.is_full:
            await channels.order_read.wait(APPLY_TICK_SECONDS)


async def retry_loop(ids: _LiveIds) -> None:
    """Retry orders that could not be applied, within a second of the end of their back-off."""
    while True:
        applied = await retry_some(ids.known or DOCUMENTED)
        changed_people.announce_changes(applied.users, applied.credits)
        made_progress()
        if not applied.is_full:
            await rest(APPLY_TICK_SECONDS)
