"""Seals of the hash chain, which only a holder of `AUDIT_KEY` can make, and what they prove.

A seal says which hash the chain had at one link, and covers the seal before it, whatever key that one was
made with. The key stays in the application: a database that computed seals could forge them.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.ledger.transfers import Head

FIRST = bytes(32)  # The digest before that of the first seal.
# Links are sealed every minute and after each deed of an operator, so one unsealed for longer is a finding.
MAX_UNSEALED = timedelta(minutes=10)

_SEALS = text(
    "SELECT s.seq, s.hash, s.previous, s.at, s.key_id, s.mac, c.hash AS chained"
    "  FROM ledger_seals s LEFT JOIN ledger_chain c ON c.seq = s.seq ORDER BY s.seq"
)
_UNSEALED = text(
    "SELECT count(*) AS links, min(coalesce(t.created_at, l.at)) AS since FROM ledger_chain c"
    "  LEFT JOIN ledger_transfers t ON c.kind = 'transfer' AND t.id = c.subject_id"
    "  LEFT JOIN audit_log l ON c.kind = 'audit' AND l.id = c.subject_id"
    " WHERE c.seq > :seq"
)
_LINK = text(
    "SELECT encode(c.hash, 'hex') AS hash, encode(s.mac, 'hex') AS mac FROM ledger_chain c"
    "  LEFT JOIN ledger_seals s ON s.seq = c.seq WHERE c.seq = :seq"
)

Keys = Mapping[str, bytes]  # Keys of seals by their ids.


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal: `seq` and `hash` of the sealed link; `previous` is the digest of the seal before."""

    seq: int
    hash: bytes
    previous: bytes
    at: datetime
    key_id: str
    mac: bytes = b""

    @property
    def _content(self) -> bytes:
        microseconds = (self.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        content = ("seal", self.seq, self.hash.hex(), self.previous.hex(), microseconds, self.key_id)
        return json.dumps(content).encode()

    @property
    def digest(self) -> bytes:
        """The sha256 of the whole seal, which the next seal covers."""
        return hashlib.sha256(self._content + self.mac).digest()

    def made_with(self, key: bytes) -> bytes:
        """Return the HMAC-SHA256 of the seal under this key."""
        return hmac.digest(key, self._content, "sha256")

    def is_genuine(self, key: bytes) -> bool:
        """Return whether the seal was made with this key."""
        return hmac.compare_digest(self.made_with(key), self.mac)


def derived(secret: str) -> tuple[str, bytes]:
    """Return the id and the key that `AUDIT_KEY` gives for seals. The id reveals nothing of the key."""
    key = hmac.digest(secret.encode(), b"seals of the ledger's chain", "sha256")
    return hmac.digest(key, b"its id", "sha256").hex()[:16], key


async def broken_seals(db: AsyncSession, keys: Keys, *, now: datetime) -> list[tuple[str, str, str]]:
    """Return what is wrong by the seals: (rule, subject, detail). Without keys nothing is checked."""
    if not keys:
        return []
    connection = await db.connection()
    found: list[tuple[str, str, str]] = []
    unknown: list[Seal] = []
    previous, sealed = FIRST, 0
    async with connection.stream(_SEALS) as rows:
        async for row in rows:
            seal = Seal(row.seq, row.hash, row.previous, row.at, row.key_id, row.mac)
            if seal.previous != previous:
                found.append(("seal_follows", str(seal.seq), "the seal before it is missing or another one"))
            previous = seal.digest
            if row.chained != seal.hash:
                found.append(("seal_holds", str(seal.seq), "the chain holds another link than was sealed"))
            if (key := keys.get(seal.key_id)) is None:
                unknown.append(seal)
            elif seal.is_genuine(key):
                # A seal covers those before it, whatever keys they were made with.
                sealed, unknown = seal.seq, []
            else:
                found.append(("seal_is_genuine", str(seal.seq), "it was not made with the key that it names"))
    found += [
        ("seal_is_genuine", str(seal.seq), "it was made with neither AUDIT_KEY nor AUDIT_KEY_PREVIOUS")
        for seal in unknown
    ]
    left = (await connection.execute(_UNSEALED, {"seq": sealed})).one()
    if left.links and (left.since is None or left.since < now - MAX_UNSEALED):
        detail = f"{left.links} links after it are not sealed, the oldest of {left.since:%Y-%m-%d %H:%M} UTC"
        found.append(("unsealed", str(sealed), detail))
    return found


async def newest_seal(db: AsyncSession) -> tuple[Seal, bytes | None] | None:
    """Return the newest seal, and the hash that the chain has at its link now; None without seals."""
    row = (await execute(db, text(f"{_SEALS} DESC LIMIT 1"))).one_or_none()
    if row is None:
        return None
    return Seal(row.seq, row.hash, row.previous, row.at, row.key_id, row.mac), row.chained


async def broken_heads(db: AsyncSession, heads: list[tuple[Head, str | None]]) -> list[tuple[str, str, str]]:
    """Return which of the kept heads the chain contradicts: (rule, subject, detail).

    Args:
        db: the transaction.
        heads: heads that were kept outside the database, each with the code of its seal or None.
    """
    found = []
    for head, mac in heads:
        row = (await execute(db, _LINK, {"seq": head.seq})).one_or_none()
        if row is None or row.hash != head.hash:
            found.append(("kept_head", str(head.seq), "the chain no longer holds this head"))
        elif mac is not None and row.mac != mac:
            found.append(("kept_head", str(head.seq), "the seal of this head is gone or another one"))
    return found
