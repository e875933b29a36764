"""The schema that migrations create, and what the application's role may do with it."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import PROJECT_DIR, ConfigurationError, get_settings
from onramp_app.db.engine import dispose, sqlalchemy_url, transaction
from onramp_app.db.migrate import (
    downgrade,
    known_revisions,
    latest_revision,
    migrate,
    oldest_release,
    schema_is_current,
)
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.schema import METADATA

_DESCRIPTION = """
SELECT 'column', table_name || '.' || column_name, data_type || ' ' || is_nullable
  FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE 'alembic%' AND contype <> 't'
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes
 WHERE schemaname = 'public' AND tablename <> 'alembic_version'
ORDER BY 1, 2
"""

# What only migrations create: triggers, functions and the application role's privileges.
_RULES = """
SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text, prosrc || coalesce(proacl::text, '') FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'grant', relname, coalesce(relacl::text, '') || coalesce((
         SELECT string_agg(attname || attacl::text, ',' ORDER BY attnum) FROM pg_attribute
          WHERE attrelid = pg_class.oid AND attacl IS NOT NULL), '')
  FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
ORDER BY 1, 2, 3
"""


def _describe(url: str) -> list[tuple[str, str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(_DESCRIPTION).fetchall()


def _rules(url: str) -> list[tuple[str, str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(_RULES).fetchall()


def _stands_at(url: str) -> str | None:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return None
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


async def _users(db: AsyncSession) -> tuple[str, str]:
    row = (await (await db.connection()).execute(text("SELECT current_user, session_user"))).one()
    return tuple(row)


def test_an_empty_database_is_brought_up_to_date(empty_database: str) -> None:
    assert _stands_at(empty_database) is None
    migrate(empty_database)
    assert _stands_at(empty_database) == latest_revision()


async def test_a_schema_that_is_behind_or_missing_is_not_current(database: str) -> None:
    async with transaction() as db:
        assert await schema_is_current(db)
    for change in ("UPDATE alembic_version SET version_num = 'older'", "DROP TABLE alembic_version"):
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute(change)
        async with transaction() as db:
            assert not await schema_is_current(db)


@pytest.mark.full
def test_tables_that_grow_are_checked_in_a_transaction_that_locks_nobody_out(empty_database: str) -> None:
    """A constraint that is added and validated at once locks everybody out until all rows were read."""
    unchecked = (
        "SELECT conname FROM pg_constraint WHERE NOT convalidated AND conname ~ '^.k_(program_users|outbox)'"
    )
    found = []
    for revision in ("0034", "head"):
        migrate(empty_database, revision)
        with psycopg.connect(empty_database) as connection:
            found.append({name for (name,) in connection.execute(unchecked)})
    assert found == [
        {
            "ck_outbox_mails_kind",
            "ck_program_users_low_is_whole",
            "ck_program_users_low_minor",
            "fk_program_users_low_asset",
        },
        set(),
    ]


def test_the_numbers_of_the_files_are_the_revisions_that_alembic_sees() -> None:
    config = Config(PROJECT_DIR / "alembic.ini")
    config.set_main_option("script_location", str(PROJECT_DIR / "alembic"))
    scripts = ScriptDirectory.from_config(config)
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}
    assert latest_revision() == scripts.get_current_head()


def test_a_current_schema_is_left_alone_and_alembic_is_not_even_imported(database: str) -> None:
    look = "import sys; from onramp_app.db.migrate import migrate; "
    look += "print(migrate(sys.argv[1]), 'alembic' in sys.modules)"
    done = [sys.executable, "-c", look, database]
    printed = subprocess.run(done, cwd=PROJECT_DIR, check=True, capture_output=True, text=True).stdout
    assert printed.split() == [latest_revision(), "False"]


def test_what_was_migrated_without_its_note_gets_it_with_the_next_start(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("COMMENT ON TABLE alembic_version IS NULL")
        assert migrate(database) == latest_revision()
        row = owner.execute("SELECT obj_description('alembic_version'::regclass)").fetchone()
    assert row == (f"oldest release: {oldest_release()}",)


def test_migrating_twice_changes_nothing(database: str) -> None:
    before = _describe(database)
    migrate(database)
    assert _describe(database) == before


def test_alembic_sees_no_difference_between_tables_and_migrations(database: str) -> None:
    with create_engine(sqlalchemy_url(database)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrations_make_the_very_constraints_of_the_tables(database: str, empty_database: str) -> None:
    # Alembic does not compare CHECK constraints, so both catalogs are compared here.
    METADATA.create_all(engine := create_engine(sqlalchemy_url(empty_database)))
    engine.dispose()
    declared = _describe(empty_database)
    assert len(declared) > 40
    assert _describe(database) == declared


def test_the_comparison_notices_a_missing_constraint(database: str) -> None:
    before = _describe(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE users DROP CONSTRAINT ck_users_country")
    assert _describe(database) != before


def test_downgrade_to_nothing_and_up_again(database: str) -> None:
    before, rules = _describe(database), _rules(database)
    assert {kind for kind, _, _ in rules} == {"trigger", "function", "grant"}
    downgrade(database, "base")
    assert _describe(database) == _rules(database) == []
    migrate(database)
    assert _describe(database) == before
    assert _rules(database) == rules


def test_one_step_back_leaves_accounts_as_they_were(database: str, empty_database: str) -> None:
    downgrade(database, "0001")
    migrate(empty_database, "0001")
    assert _describe(database) == _describe(empty_database)
    assert _rules(database) == _rules(empty_database)


def test_two_migrations_at_once_leave_one_result(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrate, empty_database) for _ in range(4)]:
            done.result(timeout=30)
    assert _stands_at(empty_database) == latest_revision()


def test_the_application_role_owns_nothing_and_changes_no_structure(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        owned = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = 'onramp_app'::regrole"
        ).fetchone()
        assert owned == (0,)
        connection.execute("SET ROLE onramp_app")
        for statement in (
            "CREATE TABLE intruder (id int)",
            "CREATE SCHEMA intruder",
            "ALTER TABLE users ADD COLUMN intruder int",
            "DROP TABLE users",
            "TRUNCATE users CASCADE",
            "UPDATE alembic_version SET version_num = 'x'",
            "CREATE ROLE intruder",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (
            latest_revision(),
        )


def test_the_owner_may_do_what_the_role_may_not(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE intruder (id int)")
        connection.execute("DROP TABLE intruder")


@pytest.fixture
def role_is_missing(postgres_server: str, empty_database: str) -> Iterator[None]:
    """Move the application's role out of the way in the whole cluster, for one test."""
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        (exists,) = connection.execute("SELECT to_regrole('onramp_app') IS NOT NULL").fetchone()
        if exists:
            connection.execute("ALTER ROLE onramp_app RENAME TO onramp_app_aside")
        yield
        if connection.execute("SELECT to_regrole('onramp_app')").fetchone() != (None,):
            with psycopg.connect(empty_database, autocommit=True) as inside:
                inside.execute("DROP OWNED BY onramp_app")
            connection.execute("DROP ROLE onramp_app")
        if exists:
            connection.execute("ALTER ROLE onramp_app_aside RENAME TO onramp_app")


def _as_user(url: str, name: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:{parts.password}@{parts.hostname}:{parts.port}").geturl()


@contextmanager
def _owned_by_ordinary_user(server: str, url: str, *, options: str = "") -> Iterator[str]:
    name, database = f"owner_{secrets.token_hex(4)}", url.rsplit("/", 1)[1]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{urlsplit(server).password}' {options}")
        connection.execute(f"ALTER DATABASE {database} OWNER TO {name}")
        yield _as_user(url, name)
        connection.execute(f"ALTER DATABASE {database} OWNER TO CURRENT_USER")
        with psycopg.connect(url, autocommit=True) as inside:
            inside.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name} CASCADE")
        if connection.execute("SELECT to_regrole('onramp_app')").fetchone() != (None,):
            connection.execute(f"REVOKE onramp_app FROM {name} CASCADE")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.usefixtures("role_is_missing")
def test_an_owner_without_createrole_is_told_what_to_run(postgres_server: str, empty_database: str) -> None:
    with (
        _owned_by_ordinary_user(postgres_server, empty_database) as url,
        pytest.raises(ConfigurationError, match="CREATE ROLE onramp_app NOLOGIN"),
    ):
        migrate(url)
    assert _stands_at(empty_database) is None


@pytest.mark.usefixtures("role_is_missing")
def test_an_owner_with_createrole_makes_the_role_and_can_work_as_it(
    postgres_server: str, empty_database: str
) -> None:
    with _owned_by_ordinary_user(postgres_server, empty_database, options="CREATEROLE") as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET ROLE onramp_app")
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)


@pytest.mark.usefixtures("database")
def test_an_owner_without_createrole_uses_a_role_that_an_administrator_made(
    postgres_server: str, empty_database: str
) -> None:
    with _owned_by_ordinary_user(postgres_server, empty_database) as url:
        name = urlsplit(url).username
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
            connection.execute(f"GRANT onramp_app TO {name}")
        migrate(url)
        assert _stands_at(url) == latest_revision()


async def test_connections_of_the_pool_work_as_the_application_role(database: str) -> None:
    async with transaction() as db:
        assert await _users(db) == (
            "onramp_app",
            urlsplit(database).username,
        )


async def test_a_separate_login_may_be_the_application_role_itself(
    postgres_server: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER ROLE onramp_app LOGIN PASSWORD '{urlsplit(database).password}'")
        try:
            monkeypatch.setenv("DATABASE_URL", _as_user(database, "onramp_app"))
            get_settings.cache_clear()
            async with transaction() as db:
                assert await _users(db) == (
                    "onramp_app",
                    "onramp_app",
                )
        finally:
            await dispose()
            connection.execute("ALTER ROLE onramp_app NOLOGIN")


@pytest.mark.usefixtures("role_is_missing")
async def test_a_database_that_was_never_migrated_is_reported_as_not_ready(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    get_settings.cache_clear()
    try:
        with pytest.raises(DatabaseUnavailable, match="migrations have not run"):
            async with transaction():
                pass
    finally:
        await dispose()
        get_settings.cache_clear()


@pytest.fixture
def neighbour(postgres_server: str) -> Iterator[str]:
    """An unrelated login on the same server."""
    name = f"neighbour_{secrets.token_hex(4)}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{urlsplit(postgres_server).password}'")
        yield name
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


def test_neighbours_on_the_server_may_not_connect_and_the_applications_logins_may(
    empty_database: str, neighbour: str
) -> None:
    psycopg.connect(_as_user(empty_database, neighbour)).close()  # the control: usually everybody may
    migrate(empty_database)
    with pytest.raises(psycopg.OperationalError, match="CONNECT privilege"):
        psycopg.connect(_as_user(empty_database, neighbour))
    with psycopg.connect(empty_database, autocommit=True) as owner:
        query = "SELECT has_database_privilege('onramp_app', current_database(), 'CONNECT')"
        assert owner.execute(query).fetchone() == (True,)
    downgrade(empty_database, "0007")
    psycopg.connect(_as_user(empty_database, neighbour)).close()


def test_a_login_that_works_as_the_application_keeps_its_access(empty_database: str, neighbour: str) -> None:
    migrate(empty_database, "0007")
    with psycopg.connect(empty_database, autocommit=True) as owner:
        owner.execute(f"GRANT onramp_app TO {neighbour}")
    migrate(empty_database)
    with psycopg.connect(_as_user(empty_database, neighbour)) as connection:
        connection.execute("SET ROLE onramp_app")
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
