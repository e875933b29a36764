"""Live balances pushed by plain Starlette: server-sent events, fed by the database's notifications."""

import asyncio
import contextlib
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from onramp_app.fleet.channels import USER_CHANGED

_READ = "SELECT asset, available_minor::text FROM user_balances WHERE user_id = %s"
_pool = AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, min_size=4, max_size=8)
_streams: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)


async def _balance(user_id: str) -> str:
    async with _pool.connection() as connection:
        rows = await (await connection.execute(_READ, (user_id,))).fetchall()
    return json.dumps(dict(rows))


async def _push(user_id: str) -> None:
    if streams := _streams.get(user_id):
        balance = await _balance(user_id)
        for stream in streams:
            stream.put_nowait(balance)


async def _listen() -> None:
    async with await AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        await connection.execute(f"LISTEN {USER_CHANGED}".encode())
        pushes: set[asyncio.Task[None]] = set()
        async for notification in connection.notifies():
            for user_id in notification.payload.split(","):
                push = asyncio.create_task(_push(user_id))
                pushes.add(push)
                push.add_done_callback(pushes.discard)


async def _events(user_id: str) -> AsyncIterator[str]:
    stream: asyncio.Queue[str] = asyncio.Queue()
    _streams[user_id].add(stream)
    try:
        yield f"data: {await _balance(user_id)}\n\n"
        while True:
            yield f"data: {await stream.get()}\n\n"
    finally:
        _streams[user_id].discard(stream)


async def _stream(request: Request) -> StreamingResponse:
    return StreamingResponse(_events(request.path_params["user_id"]), media_type="text/event-stream")


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    async with _pool:
        listening = asyncio.create_task(_listen())
        yield
        listening.cancel()


app = Starlette(routes=[Route("/events/{user_id}", _stream)], lifespan=_lifespan)
