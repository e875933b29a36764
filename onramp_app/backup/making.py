"""Makes a backup: dumps a snapshot of the database, verifies the same snapshot, and writes a note of both."""

import asyncio
import os
import tomllib
from pathlib import Path

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.backup import programs
from onramp_app.backup.errors import BackupRefused
from onramp_app.backup.note import Note, NotedFinding, as_json, digest_of, note_path, signed
from onramp_app.config import PROJECT_DIR, get_settings
from onramp_app.db.direct import APPLICATION_ROLE
from onramp_app.db.engine import PROOF, execute, transaction
from onramp_app.db.migrate import owner_url, schema_is_current
from onramp_app.domain.clock import now
from onramp_app.domain.progress import report
from onramp_app.ledger.verification import kept_heads, verify_within

# How long `pg_dump` waits for a lock held by a migration; meanwhile the snapshot keeps old rows alive.
_LOCK_WAIT = "30s"

_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    # This transaction is idle while `pg_dump` reads its snapshot.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)
_FACTS = text("""
SELECT pg_export_snapshot() AS snapshot, current_setting('server_version_num')::int / 10000 AS server,
       (SELECT version_num FROM alembic_version) AS schema_version
""")
# Roles with rights on our objects besides their owner and the application, such as a login for reports.
_ROLES = text("""
SELECT DISTINCT pg_get_userbyid(one.grantee) FROM (
    SELECT relacl AS acl, relowner AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT attacl, relowner FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
               WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proacl, proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) ours, aclexplode(ours.acl) one
 WHERE one.grantee NOT IN (0, ours.owner) AND pg_get_userbyid(one.grantee) <> :application ORDER BY 1
""")


async def make_backup(path: Path, *, folder: Path | None = None) -> Note:
    """Dump the database to a file that only its owner can read, and write a note of its verification.

    Books with findings are backed up nevertheless, and the note lists the findings.

    Args:
        path: the file to make, as an absolute path; it appears only once it is complete.
        folder: the folder of `pg_dump`; None: wherever it is found.

    Raises:
        BackupRefused: the file exists or cannot be written, the schema is that of another release, no
            suitable `pg_dump` was found, or it failed.
        ConfigurationError: no database is configured.
        DatabaseUnavailable: the database does not answer.
    """
    _refuse_existing(path)
    found = await asyncio.to_thread(programs.find, "pg_dump", folder)
    heads = await kept_heads()
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Created with its mode before anything is written to it, so that nobody else can ever read it.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise _unwritable(partial, error) from None
    try:
        async with transaction(PROOF) as db:
            for statement in _BEGIN:
                await execute(db, text(statement))
            if not await schema_is_current(db):
                raise BackupRefused(
                    "The schema is another release's: make the backup with that one, or migrate first."
                )
            facts = (await execute(db, _FACTS)).one()
            roles = await _roles(db)
            program = programs.dumper(found, facts.server)
            made_at = now()
            await _dump(program, partial, facts.snapshot)
            verification = await verify_within(db, kept=heads, at=made_at)
        digest = await asyncio.to_thread(digest_of, partial)
        note = Note(
            made_at=made_at,
            release=_release(),
            schema_version=facts.schema_version,
            server_version=facts.server,
            dumped_by=program.major,
            bytes=digest.bytes,
            sha256=digest.sha256,
            head=verification.head,
            findings=tuple(
                NotedFinding(rule=one.rule, subject=one.subject, detail=one.detail)
                for one in verification.findings
            ),
            notes=tuple(verification.notes),
            roles=roles,
        )
        note = signed(note, get_settings().sealing_keys)
        await asyncio.to_thread(_put_in_place, partial, path, as_json(note))
    finally:
        partial.unlink(missing_ok=True)
    return note


def _refuse_existing(path: Path) -> None:
    for one in (path, note_path(path)):
        if one.exists():
            raise BackupRefused(f"The file {one} is there already: name another one.")


def _unwritable(path: Path, error: OSError) -> BackupRefused:
    if isinstance(error, FileExistsError):
        return BackupRefused(
            f"The file {path} is there already: another backup is being made, or one was ended; then delete"
            " the file."
        )
    return BackupRefused(f"The file {path} cannot be written ({error.strerror}).")


async def _roles(db: AsyncSession) -> tuple[str, ...]:
    rows = await execute(db, _ROLES, {"application": APPLICATION_ROLE})
    return tuple(str(name) for (name,) in rows)


async def _dump(program: programs.Program, partial: Path, snapshot: str) -> None:
    address, password = programs.address_without_password(owner_url(get_settings()))
    report("dumping the database")
    ended = await programs.run(
        program,
        [
            *("--format=custom", "--schema=public", f"--snapshot={snapshot}", "--no-password"),
            *(f"--lock-wait-timeout={_LOCK_WAIT}", f"--file={partial}", f"--dbname={address}"),
        ],
        password=password,
        told=programs.Growing("dumping the database", partial),
    )
    if ended.status != 0:
        raise BackupRefused(f"pg_dump failed: {programs.last_words(ended)}")


def _release() -> str:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _put_in_place(partial: Path, path: Path, note: bytes) -> None:
    """Give the files their final names, the note first, so that a backup file is complete and has a note."""
    written = path.with_name(f"{path.name}.json.partial")
    try:
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        written.rename(note_path(path))
        partial.rename(path)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise _unwritable(path, error) from None
