"""`backup` and `restore`: the whole database as a file, with a proof of the books on both sides."""

from pathlib import Path
from typing import Annotated

import typer

from onramp_app.backup.making import make_backup
from onramp_app.backup.note import note_path
from onramp_app.backup.restoring import MAX_JOBS, Restored, restore
from onramp_app.commands.running import AsJson, answer, run, time_text, visible_lines

Programs = Annotated[
    Path | None,
    typer.Option(
        "--programs",
        exists=True,
        file_okay=False,
        help="The folder of pg_dump and pg_restore. Default: found.",
    ),
]


def backup(file: Path, programs: Programs = None, as_json: AsJson = False) -> None:
    """Write the database to FILE, and what was proved of it to FILE.json.

    Exit status 1 when the books have findings; the backup is made all the same.
    """
    note = run(lambda: make_backup(file.absolute(), folder=programs))
    lines = [f"{one.rule}: {one.subject}: {one.detail}" for one in note.findings]
    lines += note.notes
    lines.append(
        f"{file}: {note.bytes} bytes, schema {note.schema_version}, of {time_text(note.made_at)}."
        f" {len(note.findings)} findings. Head: {note.head or 'none yet'}"
    )
    document = {
        "ok": not note.findings,
        "file": str(file),
        "note": str(note_path(file)),
        **note.model_dump(mode="json"),
    }
    answer(as_json, document, visible_lines(lines))
    if note.findings:
        raise typer.Exit(1)


def restore_backup(
    file: Path,
    programs: Programs = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=MAX_JOBS, help="Connections that restore at a time.")
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Restore it though AUDIT_KEY has not signed its note.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore FILE into the configured database, which must be empty, and prove the books.

    Exit status 1 when the books have findings, or do not end where the backup ended.
    """
    restored = run(lambda: restore(file.absolute(), folder=programs, jobs=jobs, may_be_unsigned=unsigned))
    is_well = restored.is_same and not restored.findings
    document = {
        "ok": is_well,
        "made_at": restored.note.made_at,
        "release": restored.note.release,
        "schema_of_backup": restored.note.schema_version,
        "schema_version": restored.schema_version,
        "head_of_backup": restored.note.head,
        "head": restored.head,
        "findings": [
            {"rule": one.rule, "subject": one.subject, "detail": one.detail} for one in restored.findings
        ],
        "findings_of_backup": len(restored.note.findings),
        "notes": list(restored.notes),
        "later_heads": restored.later_heads,
    }
    answer(as_json, document, visible_lines(_lines(restored)))
    if not is_well:
        raise typer.Exit(1)


def _lines(restored: Restored) -> list[str]:
    note = restored.note
    lines = [f"{one.rule}: {one.subject}: {one.detail}" for one in restored.findings]
    lines += restored.notes
    if restored.findings and note.findings:
        lines.append(f"The backup itself had {len(note.findings)} findings when it was made.")
    if not restored.is_same:
        lines.append(f"The chain ends at {restored.head or 'nothing'}, and the backup's at {note.head}.")
    if restored.later_heads:
        lines.append(
            f"{restored.later_heads} heads of AUDIT_HEAD_TO are later than the backup: begin another file and"
            " keep this one."
        )
    moved = f", migrated from {note.schema_version}" if restored.schema_version != note.schema_version else ""
    lines.append(
        f"Restored the backup of {time_text(note.made_at)}, schema {restored.schema_version}{moved}."
        f" {len(restored.findings)} findings. Head: {restored.head or 'none yet'}"
    )
    lines.append(
        "What came later is not here: run reconcile --since with the time of the backup, less a day."
    )
    return lines
