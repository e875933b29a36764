"""A backup restores to the same rows and privileges; altered or incompatible backups are refused."""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.backup.errors import BackupRefused
from onramp_app.backup.programs import Ended, Program, complaints, dumper, find, restorer
from onramp_app.db.migrate import downgrade, latest_revision, migrate
from tests.backup.conftest import Target
from tests.desk import Desk

EARLIER = "0020"
TAMPERED = """
UPDATE ledger_entries SET amount_minor = amount_minor * 2
 WHERE transfer_id = (SELECT min(id) FROM ledger_transfers WHERE kind = 'receive')
"""

# Privileges on all our objects, without the owner's name, which differs after a restore.
RIGHTS = """
SELECT what, coalesce(acl::text, ''), pg_get_userbyid(owner) FROM (
    SELECT oid::regclass::text AS what, relacl AS acl, relowner AS owner FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')
    UNION ALL SELECT attrelid::regclass || '.' || attname, attacl, relowner FROM pg_attribute
      JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'public'::regnamespace AND attacl IS NOT NULL
    UNION ALL SELECT oid::regprocedure::text, proacl, proowner FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'later ' || defaclobjtype::text, defaclacl, defaclrole FROM pg_default_acl
) ours ORDER BY what
"""


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def _backed_up(file: Path, *options: str) -> dict[str, Any]:
    result = _run("backup", str(file), "--json", *options)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def _change_note(file: Path, **members: object) -> None:
    note = Path(f"{file}.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | members))


def _rows(url: str) -> dict[str, str]:
    """Return a hash of each table's content, by name."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name: hashlib.sha256(
                repr(connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1").fetchall()).encode()
            ).hexdigest()
            for (name,) in tables
        }


def _rights(url: str) -> set[tuple[str, frozenset[str]]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(RIGHTS).fetchall()
    return {
        (what, frozenset(one.replace(owner, "OWNER") for one in acl.strip("{}").split(",")))
        for what, acl, owner in found
    }


def test_a_backup_restores_to_the_same_rows_and_rights(kept: Desk, target: Target, tmp_path: Path) -> None:
    file = tmp_path / "wallet.backup"
    made = _backed_up(file)
    assert (made["findings"], made["schema_version"]) == ([], latest_revision())
    assert [oct(one.stat().st_mode & 0o777) for one in (file, Path(made["note"]))] == ["0o600", "0o600"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["wallet.backup", "wallet.backup.json"]
    assert _run("backup", str(file)).exit_code == 1, "it is there already"
    assert made["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()

    restored = target.restore(file, "--json")
    assert restored.exit_code == 0, restored.output
    document = json.loads(restored.stdout)
    assert (document["ok"], document["findings"]) == (True, [])
    assert document["head"] == made["head"] == json.loads(_run("verify-ledger", "--json").stdout)["head"]
    assert _rows(target.url) == _rows(kept.books.url)
    with psycopg.connect(kept.books.url, autocommit=True) as first, psycopg.connect(target.url) as second:
        sequences = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
        assert first.execute(sequences).fetchall() == second.execute(sequences).fetchall()
    assert _rights(target.url) == _rights(kept.books.url)
    with psycopg.connect(target.url) as connection:
        (entering,) = connection.execute(
            "SELECT datacl::text FROM pg_database WHERE datname = current_database()"
        ).fetchone() or ("",)
    assert "onramp_app=c/" in entering
    assert not re.search(r"[{,]=", entering), "PUBLIC may not connect"
    again = target.restore(file)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "The database is not empty: make a new one, and name it in the settings.\n"


def test_a_changed_file_or_note_is_refused_before_anything_is_restored(
    kept: Desk, target: Target, tmp_path: Path
) -> None:
    file = tmp_path / "wallet.backup"
    _backed_up(file)
    content, note = file.read_bytes(), Path(f"{file}.json").read_text()
    middle = len(content) // 2
    for changed, said in (
        (
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "its SHA-256 is another one",
        ),
        (content[:-1], "it is another file, or was cut off"),
    ):
        file.write_bytes(changed)
        refused = target.restore(file)
        assert refused.exit_code == 1
        assert said in refused.stderr
    file.write_bytes(content)
    for members, said in (
        ({"schema_version": "9999"}, "which this release does not know"),
        ({"server_version": 99}, "restore it into version 99 or later"),
        ({"dumped_by": 99}, "The backup was written by pg_dump 99"),
        ({"format": 2}, "made by a later release"),
        ({"head": "nonsense"}, "look at head"),
        ({"roles": ["no_such_role"]}, "CREATE ROLE no_such_role;"),
    ):
        _change_note(file, **members)
        if not {"format", "head"} & members.keys():  # Files with these changes cannot even be read.
            assert "its signature does not fit" in target.restore(file).stderr
        refused = target.restore(file, "--unsigned")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert said in refused.stderr
        Path(f"{file}.json").write_text(note)
    _change_note(file, mac=None)
    assert "The note is not signed by AUDIT_KEY" in target.restore(file).stderr
    Path(f"{file}.json").unlink()
    assert "is restored with the note that was written beside it" in target.restore(file).stderr
    with psycopg.connect(target.url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


def test_a_changed_row_is_found_when_the_backup_is_made_and_when_it_is_restored(
    kept: Desk, target: Target, tmp_path: Path
) -> None:
    kept.books.tamper(TAMPERED)
    file = tmp_path / "wallet.backup"
    made = _run("backup", str(file), "--json")
    assert made.exit_code == 1
    noted = json.loads(made.stdout)["findings"]
    assert "chained_is_unchanged" in {one["rule"] for one in noted}
    _change_note(file, findings=[])  # The findings are covered up.
    restored = target.restore(file, "--json", "--unsigned")
    assert restored.exit_code == 1
    assert json.loads(restored.stdout)["findings"] == noted
    kept.books.tamper(TAMPERED.replace("*", "/"))


# A replacement for pg_dump that books something between the snapshot and the dump.
WRAPPER = """#!/bin/sh
if [ "$1" = --version ]; then exec {pg_dump} --version; fi
printf '%s\\n' "$@" > {folder}/arguments
{psql} -q "$URL_OF_THE_TEST" -c "INSERT INTO audit_log (id, at, actor, action, subject, address, detail)
    VALUES ('meanwhile', now(), 'command', 'x', 'y', '', '')" || exit 9
exec {pg_dump} {options}
"""


@pytest.mark.parametrize("keeps_snapshot", [True, pytest.param(False, marks=pytest.mark.full)])
def test_the_dump_ends_where_its_note_says_whatever_is_booked_meanwhile(
    kept: Desk, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps_snapshot: bool
) -> None:
    (pg_dump, *_) = find("pg_dump", None)
    (psql, *_) = find("psql", None)
    options = '"$@"' if keeps_snapshot else '"$1" "$2" "$4" "$5" "$6" "$7"'
    folder = tmp_path / "programs"
    folder.mkdir()
    script = WRAPPER.format(pg_dump=pg_dump.path, psql=psql.path, folder=folder, options=options)
    (folder / "pg_dump").write_text(script.replace('"$URL_OF_THE_TEST"', f"'{kept.books.url}'"))
    (folder / "pg_dump").chmod(0o755)
    file = tmp_path / "wallet.backup"
    made = _backed_up(file, "--programs", str(folder))
    arguments = (folder / "arguments").read_text()
    assert arguments.splitlines()[2].startswith("--snapshot=")
    assert kept.books.url.split(":")[2].split("@")[0] not in arguments, "others see arguments"
    restored = target.restore(file, "--json")
    document = json.loads(restored.stdout)
    assert (document["head"] == made["head"], restored.exit_code) == (
        keeps_snapshot,
        0 if keeps_snapshot else 1,
    )
    assert document["ok"] is keeps_snapshot


def test_an_earlier_schema_is_migrated_after_the_restore(kept: Desk, target: Target, tmp_path: Path) -> None:
    file = tmp_path / "wallet.backup"
    _backed_up(file)
    downgrade(kept.books.url, EARLIER)
    refused = _run("backup", f"{file}.later")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "The schema is another release's" in refused.stderr
    # A dump as the previous release would have made it.
    (pg_dump, *_) = find("pg_dump", None)
    subprocess.run([pg_dump.path, "-Fc", "-npublic", f"-f{file}", kept.books.url], check=True, timeout=60)
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    _change_note(file, schema_version=EARLIER, bytes=len(content), sha256=digest, dumped_by=pg_dump.major)
    restored = target.restore(file, "--json", "--unsigned")
    assert restored.exit_code == 0, restored.output
    document = json.loads(restored.stdout)
    assert (document["schema_of_backup"], document["schema_version"]) == (EARLIER, latest_revision())
    migrate(kept.books.url)  # The verification after the test expects the schema of this release.


def test_the_program_that_fits_is_taken() -> None:
    found = [Program(Path(f"/{major}"), major) for major in (18, 15, 16)]
    assert [dumper(found, server).major for server in (14, 15, 17, 18)] == [15, 15, 18, 18]
    with pytest.raises(BackupRefused, match="The server is PostgreSQL 19, and the newest pg_dump here is of"):
        dumper(found, 19)
    assert restorer(found, dumped_by=15, server=16).major == 16
    assert restorer(found, dumped_by=18, server=16).major == 18
    with pytest.raises(BackupRefused, match="written by pg_dump 19"):
        restorer(found, dumped_by=19, server=19)
    with pytest.raises(BackupRefused, match=r"no pg_dump in /nowhere"):
        find("pg_dump", Path("/nowhere"))


def test_only_the_parameter_that_older_servers_do_not_know_is_let_pass() -> None:
    # As written by pg_restore 18 on a server of version 15.
    known = (
        'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter'
        ' "transaction_timeout"\nCommand was: SET transaction_timeout = 0;\n'
    )  # fmt: skip
    other = (
        'pg_restore: error: could not execute query: ERROR:  role "x" does not exist\nCommand was: GRANT;\n'
    )
    end = "pg_restore: warning: errors ignored on restore: 1\n"
    assert complaints(Ended(0, ""), server=15) == []
    assert complaints(Ended(1, known + known + end), server=15) == []
    assert len(complaints(Ended(1, known + end), server=17)) == 1
    assert len(complaints(Ended(1, known + other + end), server=15)) == 2
    assert complaints(Ended(1, "pg_restore: error: could not read\n"), server=15) != []
    assert complaints(Ended(-9, "pg_restore: launching item 5\n"), server=15) != []
