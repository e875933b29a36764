"""Restores a backup into an empty database, and verifies that the restored books are those backed up."""

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from onramp_app.backup import programs
from onramp_app.backup.errors import BackupRefused
from onramp_app.backup.note import Note, read_note, refuse_changed, refuse_unsigned
from onramp_app.config import get_settings
from onramp_app.db.engine import PROOF, transaction
from onramp_app.db.migrate import alone, known_revisions, latest_revision, migrate, owner_url
from onramp_app.db.poolers import refuse_poolers
from onramp_app.db.rights import close_database, make_role
from onramp_app.domain.progress import report
from onramp_app.ledger.transfers import Head
from onramp_app.ledger.verification import Finding, KeptHead, kept_heads, verify_within

MAX_JOBS = 16
# Each job takes a connection, and more jobs than the server has processors help little.
DEFAULT_JOBS = 4

_SERVER = text("SELECT current_setting('server_version_num')::int / 10000")
_ALREADY_THERE = text("""
SELECT count(*) FROM (
    SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT oid FROM pg_type WHERE typnamespace = 'public'::regnamespace
) one WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = one.oid AND deptype = 'e')
""")
_MISSING_ROLES = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regrole(quote_ident(name)) IS NULL"
)
_SCHEMA = text("SELECT version_num FROM alembic_version")
_HEAD = text("SELECT seq || ':' || encode(hash, 'hex') FROM ledger_chain ORDER BY seq DESC LIMIT 1")

# These entries set the schema's owner, and default privileges for the old owner's later functions. Here the
# schema already exists, and `rights` sets the privileges for what the new owner creates.
_LEFT_OUT = (" SCHEMA - public ", " COMMENT - SCHEMA public ", " ACL - SCHEMA public ", " DEFAULT ACL ")


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore, with the findings of the verification.

    `head` is the end of the restored hash chain before migrations, `{seq}:{hash}`. `later_heads` is how many
    heads in `AUDIT_HEAD_TO` are later than the backup: what they cover is lost.
    """

    note: Note
    schema_version: str
    head: str | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    later_heads: int

    @property
    def is_same(self) -> bool:
        """Whether the hash chain ends where it ended when the backup was made."""
        return self.head == self.note.head


async def restore(
    backup: Path, *, folder: Path | None = None, jobs: int | None = None, may_be_unsigned: bool = False
) -> Restored:
    """Restore a backup into the configured database, which must be empty; migrate it and verify the books.

    Args:
        backup: the file, as an absolute path; its note is beside it.
        folder: the folder of `pg_restore`; None: wherever it is found.
        jobs: how many connections restore in parallel; None: one for each processor, up to four.
        may_be_unsigned: accept a note that none of our keys has signed.

    Raises:
        BackupRefused: the file was changed or comes from a newer schema or server, the database is not empty,
            or `pg_restore` failed, in which case the database has to be created anew.
        ConfigurationError: no database is configured, or its owner may not create the application's role.
        DatabaseUnavailable: the database does not answer.
    """
    settings = get_settings()
    note = await asyncio.to_thread(read_note, backup)
    if not may_be_unsigned:
        refuse_unsigned(note, settings.sealing_keys)
    if note.schema_version not in known_revisions():
        raise BackupRefused(
            f"The backup has schema {note.schema_version}, which this release does not know: restore it with"
            f" the release that made it ({note.release}) or a later one."
        )
    await asyncio.to_thread(refuse_changed, backup, note)
    url = owner_url(settings)
    await refuse_poolers(settings)
    found = await asyncio.to_thread(programs.find, "pg_restore", folder)
    with alone(url) as owner:
        server = _refuse_unfit(owner, note)
        program = programs.restorer(found, dumped_by=note.dumped_by, server=server)
        make_role(owner)
        owner.commit()
        await _fill(program, backup, url, server=server, jobs=jobs)
        close_database(owner)
        report("gathering statistics")
        owner.exec_driver_sql("ANALYZE")
        head, schema_version = owner.scalar(_HEAD), owner.scalar(_SCHEMA)
        owner.commit()
    if schema_version != latest_revision():
        await asyncio.to_thread(migrate, url)
    return await _proved(note, head)


def _refuse_unfit(owner: Connection, note: Note) -> int:
    """Return the server's major version. Raises `BackupRefused` if the backup cannot be restored there."""
    server = int(owner.scalar(_SERVER) or 0)
    if owner.scalar(_ALREADY_THERE):
        raise BackupRefused("The database is not empty: make a new one, and name it in the settings.")
    if server < note.server_version:
        raise BackupRefused(
            f"The backup is of a PostgreSQL {note.server_version}, and this server is a PostgreSQL {server}:"
            f" restore it into version {note.server_version} or later."
        )
    missing = [str(name) for (name,) in owner.execute(_MISSING_ROLES, {"names": list(note.roles)})]
    if missing:
        raise BackupRefused(
            f"The backup grants rights to {', '.join(missing)}, which this server does not have. As an"
            f" administrator run {' '.join(f'CREATE ROLE {name};' for name in missing)} and try again."
        )
    return server


async def _fill(program: programs.Program, backup: Path, url: str, *, server: int, jobs: int | None) -> None:
    address, password = programs.address_without_password(url)
    report("reading what the backup holds")
    listed = await programs.run(
        program, ["--list", str(backup)], password=None, told=programs.Told("reading what the backup holds")
    )
    if listed.status != 0:
        raise BackupRefused(f"pg_restore cannot read the backup: {programs.last_words(listed)}")
    wanted = [line for line in listed.output.splitlines() if not any(part in line for part in _LEFT_OUT)]
    total = sum(not line.startswith(";") for line in wanted)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as contents:
        contents.write("\n".join(wanted))
        contents.flush()
        ended = await programs.run(
            program,
            [
                *("--no-owner", "--no-password", "--verbose", f"--use-list={contents.name}"),
                *(f"--jobs={jobs or min(DEFAULT_JOBS, os.cpu_count() or 1)}", f"--dbname={address}"),
                str(backup),
            ],
            password=password,
            told=programs.Counting("restoring", total),
        )
    if complaints := programs.complaints(ended, server=server):
        raise BackupRefused(
            f"pg_restore failed, and the database is half filled: make it again. {complaints[0]}"
        )


async def _proved(note: Note, head: str | None) -> Restored:
    last = None if note.head is None else Head.parse(note.head)
    kept: list[KeptHead] = [] if last is None else [(last, None)]
    from_outside = await kept_heads()
    earlier = [one for one in from_outside if last is not None and one[0].seq <= last.seq]
    async with transaction(PROOF) as db:
        proof = await verify_within(db, kept=[*kept, *earlier], at=note.made_at)
    return Restored(
        note=note,
        schema_version=latest_revision(),
        head=head,
        findings=tuple(proof.findings),
        notes=tuple(proof.notes),
        later_heads=len(from_outside) - len(earlier),
    )
