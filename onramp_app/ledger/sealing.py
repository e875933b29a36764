"""Seals the hash chain with `AUDIT_KEY`, and copies its head out of the database to `AUDIT_HEAD_TO`.

Neither ever holds up money: a failure is logged, counted and tried again. A chain that contradicts its
newest seal, or lacks one that this process made, is not sealed again: a new seal would approve it.
"""

import asyncio
import json
import os
import time
from pathlib import Path

import httpx
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import Settings, get_settings
from onramp_app.db.engine import execute, transaction
from onramp_app.db.locks import Lock
from onramp_app.domain.clock import now
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.watch import made_progress, rest
from onramp_app.ledger.seals import FIRST, Keys, Seal, derived, newest_seal
from onramp_app.ledger.tables import LedgerSeal
from onramp_app.ledger.transfers import Head

SEAL_EVERY_SECONDS = 60
SEND_EVERY_SECONDS = 3600
SEND_SECONDS = 5
MAX_HEADS_BYTES = 64 * 1024 * 1024

_BROKEN = Counter("ledger_seals_broken", "Times the chain was not sealed because it contradicts a seal.")
_UNSENT = Counter(
    "ledger_heads_unsent", "Heads that could not be taken to AUDIT_HEAD_TO; each is tried again."
)
_SENT_AT = Gauge(
    "ledger_head_sent_timestamp_seconds", "Unix time of the last head that this process took out."
)
_NEWEST_LINK = text("SELECT seq, hash FROM ledger_chain ORDER BY seq DESC LIMIT 1")
_log = structlog.get_logger(__name__)
_made: Seal | None = None


class SealBroken(Exception):
    """The chain contradicts its seals: somebody rewrote it, or removed seals."""


def forget() -> None:
    """Forget what this process sealed, before it uses another database."""
    global _made  # noqa: PLW0603 - one process, one chain
    _made = None


def keys(settings: Settings) -> Keys:
    """Return the keys of seals by id, the one for new seals first; empty without `AUDIT_KEY`."""
    return dict(derived(secret.get_secret_value()) for secret in settings.sealing_keys)


async def seal() -> Seal | None:
    """Seal the newest link. Returns the seal, or None without a key or before anything is booked.

    Raises:
        SealBroken: the chain does not hold what was sealed last.
        DatabaseUnavailable: nothing was sealed.
    """
    global _made  # noqa: PLW0603
    known = keys(get_settings())
    if not known:
        return None
    async with transaction() as db:
        await db.exec(select(func.pg_advisory_xact_lock(Lock.SEAL)))
        head = (await execute(db, _NEWEST_LINK)).one_or_none()
        newest = await newest_seal(db)
        await _refuse_broken(db, newest, known)
        if head is None:
            return None
        if newest is not None and newest[0].seq == head.seq:
            return newest[0]
        key_id, key = next(iter(known.items()))
        previous = FIRST if newest is None else newest[0].digest
        made = Seal(head.seq, head.hash, previous, now(), key_id)
        mac = made.made_with(key)
        columns = {"seq": made.seq, "hash": made.hash, "previous": previous, "at": made.at}
        await db.exec(insert(LedgerSeal).values(**columns, key_id=key_id, mac=mac))
    _made = Seal(made.seq, made.hash, previous, made.at, key_id, mac)
    return _made


async def _refuse_broken(db: AsyncSession, newest: tuple[Seal, bytes | None] | None, known: Keys) -> None:
    broken = None
    if newest is not None:
        last, chained = newest
        if chained != last.hash:
            broken = f"the chain holds another link {last.seq} than was sealed"
        elif last.key_id in known and not last.is_genuine(known[last.key_id]):
            broken = f"the seal {last.seq} was not made with its key"
    if broken is None and _made is not None:
        query = select(LedgerSeal.mac).where(LedgerSeal.seq == _made.seq)
        if (await db.exec(query)).first() != _made.mac:
            broken = f"the seal {_made.seq} that this process made is gone"
    if broken is not None:
        raise SealBroken(broken)


async def after_deed() -> None:
    """Seal an operator's deed and copy the head out. Never raises: the deed is done already."""
    await _take_out(await _seal_quietly())


async def keep_sealing() -> None:
    """Seal the newest link every minute and copy the head out every hour. Runs until it is cancelled."""
    next_send = time.monotonic()
    while True:
        made_progress()
        made = await _seal_quietly()
        if time.monotonic() >= next_send and await _take_out(made):
            next_send = time.monotonic() + SEND_EVERY_SECONDS
        await rest(SEAL_EVERY_SECONDS)


async def _seal_quietly() -> Seal | None:
    try:
        return await seal()
    except SealBroken as error:
        _BROKEN.inc()
        _log.error("the books were changed behind their seals", what=str(error))
    except DatabaseUnavailable:
        _log.warning("the books are sealed later", why="the database does not answer")
    return None


async def _take_out(made: Seal | None) -> bool:
    """Append the head to `AUDIT_HEAD_TO`, or post it there. Returns whether nothing is left to do."""
    to = get_settings().audit_head_to
    if to is None:
        return True
    try:
        line = await _line(made)
        if line is None:
            return True
        target = to.get_secret_value()
        if target.startswith(("http://", "https://")):
            kind = {"Content-Type": "application/json"}
            async with httpx.AsyncClient(timeout=SEND_SECONDS, trust_env=False) as client:
                (await client.post(target, content=line, headers=kind)).raise_for_status()
        else:
            await asyncio.to_thread(_append, Path(target), line)
    except (OSError, httpx.HTTPError, httpx.InvalidURL, DatabaseUnavailable) as error:
        _UNSENT.inc()
        _log.warning("the head was not taken to AUDIT_HEAD_TO", error=type(error).__name__)
        return False
    _SENT_AT.set_to_current_time()
    return True


async def _line(made: Seal | None) -> bytes | None:
    fields: dict[str, object]
    if made is not None:
        fields = {"seq": made.seq, "hash": made.hash.hex(), "key_id": made.key_id, "mac": made.mac.hex()}
    else:  # Without a key the head alone still shows a removed tail.
        async with transaction() as db:
            row = (await execute(db, _NEWEST_LINK)).one_or_none()
        if row is None:
            return None
        fields = {"seq": row.seq, "hash": row.hash.hex()}
    return json.dumps({"at": now().isoformat(), **fields}).encode() + b"\n"


def _append(path: Path, line: bytes) -> None:
    # With O_APPEND the system itself writes at the end, so no earlier line can be lost.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError("the line was cut off")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept_heads(settings: Settings, path: Path | None) -> list[tuple[Head, str | None]]:
    """Return the heads of a file of heads, each with the code of its seal in hexadecimal or None.

    Args:
        settings: with `AUDIT_HEAD_TO`, read where that is a file that exists.
        path: another file to read instead.

    Raises:
        ValueError: a line cannot be read, or the file is larger than 64 MiB.
        OSError: the file cannot be read.
    """
    if path is None:
        target = settings.audit_head_to.get_secret_value() if settings.audit_head_to else ""
        path = Path(target)
        if not target.startswith("/") or not path.exists():
            return []
    with path.open("rb") as file:
        content = file.read(MAX_HEADS_BYTES + 1)
    if len(content) > MAX_HEADS_BYTES:
        raise ValueError("it is larger than 64 MiB; begin another file and keep this one")
    heads = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            head = json.loads(line)
            mac = head.get("mac")
            heads.append((Head.parse(f"{head['seq']}:{head['hash']}"), None if mac is None else str(mac)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"its line {number} is not a head") from None
    return heads
