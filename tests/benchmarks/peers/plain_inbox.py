"""An inbox as FastAPI's and SQLAlchemy's documentation would write it: verify, insert, commit."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import MetaData, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.signed_webhooks import PATH, SECRET

_engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=20)
_session = async_sessionmaker(_engine, expire_on_commit=False)
_metadata = MetaData()


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with _engine.connect() as connection:
        await connection.run_sync(lambda sync: Table("webhook_events", _metadata, autoload_with=sync))
    yield


app = FastAPI(lifespan=_lifespan)


async def _db() -> AsyncIterator[AsyncSession]:
    async with _session() as db:
        yield db


@app.post(PATH)
async def take(request: Request, db: Annotated[AsyncSession, Depends(_db)]) -> dict[str, Any]:
    payload, signature = request.headers["x-onramp-payload"], request.headers["x-onramp-signature"]
    expected = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha512).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise HTTPException(401)
    signed = json.loads(base64.b64decode(payload))
    event = {
        "environment": "simulator",
        "header": payload.encode(),
        "body": await request.body(),
        "received_at": datetime.now(UTC),
        "secret": "current",
        "is_old": False,
        "differs": False,
        "kind": "onramp",
        "status_text": str(signed["body"]["status"]),
        "signed_at": datetime.fromtimestamp(signed["timestamp"] / 1000, UTC),
        "is_content_signed": True,
        "flow": "buy",
        "order_id": str(signed["body"]["orderId"]),
        "fiat_type": signed["body"]["fiatType"],
    }
    await db.execute(insert(_metadata.tables["webhook_events"]).values(event))
    await db.commit()
    return {"status": "stored"}
