"""Fills a database with the history of one business, ever further back, as the application would have.

Line `n` is a top-up, and the transfer of line `n` is its credit or, if it was not paid, a debit. The newest
line is dated at the start of the run and each further one `PACE` earlier: a larger store is an older one with
the same work pending. A tenth of all lines belong to one person. Rows are written in bulk by a superuser with
triggers off, as a restore does; then the chain and the seals are made as the triggers and the application
make them. `verify-ledger` shows whether the result is sound.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from onramp_app.config import get_settings
from onramp_app.ledger import sealing
from onramp_app.ledger.seals import FIRST, Seal

PACE = timedelta(seconds=6)
ENTRIES_A_LINE = 2
LINES_A_PERSON = 10
LINKS_A_SEAL = 10  # chain links per seal; one seal is made each minute
ADDRESS = "0x" + "51" * 18 + "0001"

_WITHOUT_INDEXES_FROM = 20_000  # lines; below that, rebuilding the indexes costs more than it saves
_TABLES = (
    "users",
    "provider_orders",
    "top_ups",
    "top_up_steps",
    "widget_sessions",
    "webhook_events",
    "outbox_mails",
    "debits",
    "ledger_accounts",
    "ledger_transfers",
    "ledger_entries",
    "ledger_chain",
    "ledger_seals",
    "user_balances",
)


_CONTENT = """
SELECT transfer_id, convert_to(ledger_transfer_content(transfer_id), 'UTF8') FROM growth.line ORDER BY n DESC
"""
_PLAIN_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid = ANY(%s::regclass[])
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = indexrelid) ORDER BY 1
"""


@dataclass(frozen=True)
class Store:
    """A store that is filled step by step: a superuser's connection, and the time of the newest line."""

    owner: psycopg.Connection
    start: datetime

    @classmethod
    def begin(cls, owner: psycopg.Connection, heavy: str) -> "Store":
        """Write the rows that exist once. `heavy` is the id of the account that gets a tenth of all lines."""
        for part in _parts("once.sql"):
            owner.execute(part.encode(), {"heavy": heavy} if "%(heavy)s" in part else None)
        return cls(owner, datetime.now(UTC) - PACE)

    def grow(self, low: int, high: int) -> None:
        """Write the lines from `low` to `high`, with all rows that belong to them."""
        values = {
            "from": low,
            "to": high,
            "start": self.start,
            "pace": PACE,
            "kept": get_settings().retention_days,
            "per_person": LINES_A_PERSON,
            "person_from": (low - 1) // LINES_A_PERSON + 1,
            "person_to": high // LINES_A_PERSON,
        }
        self.owner.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        with self._without_indexes() if high - low > _WITHOUT_INDEXES_FROM else _as_they_are():
            for part in _parts("lines.sql"):
                self.owner.execute(part.encode(), values)
            self.owner.execute("ANALYZE ledger_transfers, ledger_entries, ledger_accounts, assets")
            self._chain()
        self.owner.execute("SET session_replication_role = origin; RESET work_mem")
        self.owner.execute("TRUNCATE growth.line")
        self.owner.execute("VACUUM ANALYZE")
        self.owner.execute("CHECKPOINT")

    @contextmanager
    def _without_indexes(self) -> Iterator[None]:
        """Drop the indexes that back no constraint, and rebuild them afterwards."""
        found = self.owner.execute(_PLAIN_INDEXES, [list(_TABLES)]).fetchall()
        for name, _ in found:
            if name != "ix_ledger_accounts_user_id":  # entries find their accounts through it
                self.owner.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        yield
        self.owner.execute("SET maintenance_work_mem = '1GB'")
        for name, definition in found:
            if name != "ix_ledger_accounts_user_id":
                self.owner.execute(definition.encode())
        self.owner.execute("RESET maintenance_work_mem")

    def _chain(self) -> None:
        """Append the transfers to the chain as the trigger does, and add the seals of every minute."""
        head = self.owner.execute("SELECT seq, hash FROM ledger_chain ORDER BY seq DESC LIMIT 1").fetchone()
        seq, last = head or (0, bytes(32))
        newest = self.owner.execute(
            "SELECT seq, hash, previous, at, key_id, mac FROM ledger_seals ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        digest = Seal(*newest).digest if newest else FIRST
        key_id, key = next(iter(sealing.keys(get_settings()).items()))
        seals = []
        with (
            psycopg.connect(self.owner.info.dsn, password=self.owner.info.password) as reader,
            reader.cursor("contents") as contents,
            self.owner.cursor() as writer,
            writer.copy("COPY ledger_chain (seq, kind, subject_id, previous_hash, hash) FROM STDIN") as copy,
        ):
            contents.itersize = 10_000
            for transfer_id, content in contents.execute(_CONTENT):
                seq += 1
                link = hashlib.sha256(last + content).digest()
                copy.write_row((seq, "transfer", transfer_id, last, link))
                last = link
                if seq % LINKS_A_SEAL == 0:
                    seal = Seal(seq, link, digest, datetime.now(UTC), key_id)
                    seals.append(Seal(seq, link, digest, seal.at, key_id, seal.made_with(key)))
                    digest = seals[-1].digest
        with (
            self.owner.cursor() as writer,
            writer.copy("COPY ledger_seals (seq, hash, previous, at, key_id, mac) FROM STDIN") as copy,
        ):
            for seal in seals:
                copy.write_row((seal.seq, seal.hash, seal.previous, seal.at, seal.key_id, seal.mac))


def _parts(name: str) -> list[str]:
    return Path(__file__).with_name(name).read_text().strip().removesuffix(";").split(";\n")


@contextmanager
def _as_they_are() -> Iterator[None]:
    yield
