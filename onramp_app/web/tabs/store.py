"""Watches the Redis that keeps the states of pages, where there is one: does it answer, has it kept them?"""

import asyncio
import secrets
from collections.abc import Collection
from typing import cast

import reflex as rx
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from reflex.istate.manager.redis import StateManagerRedis, enable_keyspace_notifications
from reflex.istate.manager.token import BaseStateToken
from reflex.state import State
from reflex.utils.token_manager import RedisTokenManager

from onramp_app.telemetry.faults import Fault
from onramp_app.web.tabs.socket import PageSocket

_ANSWER_WITHIN_SECONDS = 2
_KEPT_SECONDS = 24 * 60 * 60
# Reflex would retry a command for up to 14 seconds, and a click must not take effect so late.
_RETRIES = Retry(ConstantBackoff(0.2), 2)

_log = structlog.get_logger(__name__)
_away = Fault("redis", lasts="Redis is away", is_over="Redis answers again")


class PageStoreAway(Exception):
    """Redis does not answer."""


class PageStore:
    """Watches the two clients that Reflex has of one Redis: for states and for sockets."""

    def __init__(self, app: rx.App) -> None:
        self._app = app
        self._is_set_up = False
        self._is_well = True
        self._mark = b""
        self._key = f"onramp_app:pages:{secrets.token_hex(8)}"

    @property
    def _manager(self) -> StateManagerRedis | None:
        manager = self._app.state_manager
        return manager if isinstance(manager, StateManagerRedis) else None

    async def has_kept(self) -> bool:
        """Return whether Redis has kept what was stored at the last call; True without Redis.

        A flush, a restart without persistence, or a fail-over to an empty or older copy loses it.

        Raises:
            PageStoreAway: Redis does not answer within 2 seconds. Commands that waited have failed by then.
        """
        if (manager := self._manager) is None:
            return True
        self._set_up(manager)
        mark = secrets.token_bytes(8)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
                found = await manager.redis.set(self._key, mark, ex=_KEPT_SECONDS, get=True)
                has_kept = not self._mark or found == self._mark
                if not has_kept or not self._is_well:
                    await self._listen_again(manager)
                    await self._drop_locks(manager, self._tokens())
        except (RedisError, OSError, TimeoutError) as error:
            self._is_well = False
            _away.happened(error=type(error).__name__)
            await self._cut_off()
            raise PageStoreAway from error
        self._mark, self._is_well = mark, True
        _away.over()
        return has_kept

    def _clients(self) -> list[Redis]:
        manager, sockets = self._manager, self._sockets()
        return [one.redis for one in (manager, sockets) if one is not None]

    def _sockets(self) -> RedisTokenManager | None:
        namespace = cast("PageSocket | None", self._app.event_namespace)
        tokens = namespace._token_manager if namespace is not None else None
        return tokens if isinstance(tokens, RedisTokenManager) else None

    def _tokens(self) -> list[str]:
        namespace = cast("PageSocket | None", self._app.event_namespace)
        return namespace.own_tabs if namespace is not None else []

    def _set_up(self, manager: StateManagerRedis) -> None:
        if self._is_set_up:
            return
        self._is_set_up = True
        for client in self._clients():
            client.set_retry(_RETRIES)
            client.connection_pool.connection_kwargs["retry"] = _RETRIES
            client.connection_pool.connection_kwargs.setdefault(
                "socket_connect_timeout", _ANSWER_WITHIN_SECONDS
            )

    async def _cut_off(self) -> None:
        # A frozen Redis, or one whose machine vanished, would hold events until it is back.
        for client in self._clients():
            await client.connection_pool.disconnect()

    async def _listen_again(self, manager: StateManagerRedis) -> None:
        # Reflex gives up its subscriptions after five errors, and a new Redis announces no keys by default.
        await enable_keyspace_notifications(manager.redis)
        manager._ensure_lock_task()
        if (sockets := self._sockets()) is not None and self._app.event_namespace is not None:
            sockets._ensure_socket_record_task()
            sockets.ensure_lost_and_found_task(self._app.event_namespace.emit_update)

    async def _drop_locks(self, manager: StateManagerRedis, tokens: Collection[str]) -> None:
        # Commands that were cut off still took their locks once Redis went on, and nothing gives those back
        # for 10 seconds. An event that still runs here fails to store its state, because its lock is gone.
        keys = [manager._lock_key(BaseStateToken(ident=token, cls=State)) for token in tokens]
        if keys:
            await manager.redis.delete(*keys)
