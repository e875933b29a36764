"""Releases side by side: an older one on the schema of a newer one, and what a migration may remove."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

import onramp_app.db.migrate as migrations
from onramp_app.config import PROJECT_DIR, ConfigurationError
from onramp_app.db.migrate import FIRST_RELEASE, downgrade, latest_revision, migrate, oldest_release
from onramp_app.running.health import readiness, status

# Changes that may remove what the previous release uses, which a migration has to declare.
_TAKES_AWAY = re.compile(
    r"drop_(column|table|constraint|index)|rename_table|new_column_name|nullable=False\)?$|alter_column"
    r"|\b(DROP|RENAME|REVOKE|SET NOT NULL)\b",
    re.MULTILINE,
)


@contextmanager
def migrated_later(database: str, note: str | None) -> Iterator[None]:
    """Temporarily mark the schema as that of a newer release."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '9001'")
        text = "NULL" if note is None else f"'{note}'"
        owner.execute(f"COMMENT ON TABLE alembic_version IS {text}".encode())
        try:
            yield
        finally:
            owner.execute("UPDATE alembic_version SET version_num = %s", (latest_revision(),))
            owner.execute("COMMENT ON TABLE alembic_version IS NULL")


@pytest.mark.parametrize("oldest", [None, "0001", latest_revision()])
async def test_an_older_release_runs_on_the_schema_of_a_newer_one(database: str, oldest: str | None) -> None:
    with migrated_later(database, oldest and f"oldest release: {oldest}"):
        assert migrate(database) == "9001"
        assert {part.name: part.is_well for part in await readiness()}["schema"]
        assert "It is the schema of a newer release." in [part.detail for part in await status()]


async def test_an_older_release_says_in_a_sentence_that_it_cannot_use_the_schema(database: str) -> None:
    with migrated_later(database, "oldest release: 9000"):
        with pytest.raises(ConfigurationError) as refused:
            migrate(database)
        assert not {part.name: part.is_well for part in await readiness()}["schema"]
    assert str(refused.value) == (
        f"A newer release has migrated the database, to 9001, and this one, of {latest_revision()}, cannot"
        " use that any more; start the newer release, or restore the backup from before."
    )


def test_a_migration_leaves_a_note_for_older_releases(database: str) -> None:
    migrate(database)
    with psycopg.connect(database) as connection:
        note = connection.execute(
            "SELECT obj_description('alembic_version'::regclass, 'pg_class')"
        ).fetchone()
    assert note == (f"oldest release: {oldest_release()}",)
    assert oldest_release() <= latest_revision()


def unnamed(source: str) -> list[str]:
    """Return what a migration removes without declaring the oldest release that works without it."""
    if re.search(r"^oldest_release = ", source, re.MULTILINE):
        return []
    upgrade = source.partition("def upgrade(")[2].partition("\ndef ")[0]
    return [found[0] for found in _TAKES_AWAY.finditer(upgrade)]


def test_a_migration_adds_or_names_who_can_do_without() -> None:
    files = sorted((PROJECT_DIR / "alembic" / "versions").glob("*.py"))
    later = [file for file in files if file.stem[:4] > FIRST_RELEASE]
    assert {file.name: unnamed(file.read_text()) for file in later if unnamed(file.read_text())} == {}
    # The control: the scan finds removals in the migrations before the first release.
    assert sum(bool(unnamed(file.read_text())) for file in files) >= 3


@pytest.mark.parametrize(
    ("step", "is_named", "is_found"),
    [
        ('op.add_column("users", sa.Column("x", sa.Text))', False, False),
        ('op.drop_column("users", "x")', False, True),
        ('op.drop_column("users", "x")', True, False),
        ('op.execute("ALTER TABLE users RENAME COLUMN x TO y")', False, True),
        ('op.alter_column("users", "x", nullable=False)', False, True),
    ],
)
def test_what_is_taken_away_is_found(step: str, *, is_named: bool, is_found: bool) -> None:
    named = 'oldest_release = "0022"\n' if is_named else ""
    source = (
        f'{named}def upgrade() -> None:\n    {step}\n\n\ndef downgrade() -> None:\n    op.drop_table("y")\n'
    )
    assert bool(unnamed(source)) == is_found


def test_a_migration_that_people_lock_out_crosswise_tries_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_WAIT", "5s")
    monkeypatch.setattr(migrations, "_LOCK_PAUSE_SECONDS", 0.05)
    downgrade(database, "0021")
    with psycopg.connect(database) as other, psycopg.connect(database, autocommit=True) as owner:
        name = sql.Identifier(other.info.dbname)
        owner.execute(sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '100ms'").format(name))
        other.execute("SET deadlock_timeout = '1min'")  # so that the migration is the one aborted
        other.execute("LOCK TABLE provider_orders IN ACCESS SHARE MODE")
        migrating = threading.Thread(target=migrate, args=(database,))
        migrating.start()
        while not owner.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            time.sleep(0.01)
        other.execute("SELECT count(*) FROM webhook_events")  # the migration has locked this table
        other.rollback()
        migrating.join(10)
        assert not migrating.is_alive()
        stands_at = owner.execute("SELECT version_num FROM alembic_version").fetchone()
    assert stands_at == (latest_revision(),)


@pytest.mark.full
def test_a_migration_waits_in_turns_and_others_are_served_meanwhile(database: str) -> None:
    downgrade(database, "0021")
    with psycopg.connect(database) as other:
        other.execute("SELECT count(*) FROM webhook_events")  # the transaction stays open
        migrating = threading.Thread(target=migrate, args=(database,))
        migrating.start()
        longest = 0.0
        for _ in range(40):
            began = time.monotonic()
            with psycopg.connect(database) as person:
                person.execute("SELECT count(*) FROM webhook_events")
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.1)
        assert migrating.is_alive()
    migrating.join(10)
    assert not migrating.is_alive()
    assert 0.5 < longest < 2  # It did block others, but for about a second only.
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (
            latest_revision(),
        )
