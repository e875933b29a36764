"""The note beside a backup: what the file contains and what its verification found, as lasting JSON."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from onramp_app.backup.errors import BackupRefused
from onramp_app.domain.progress import report

FORMAT = 1
# The note may list ten thousand findings for each rule.
MAX_NOTE_BYTES = 64 * 1024 * 1024
_CHUNK = 1 << 20

_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NotedFinding(BaseModel):
    """One finding of the verification when the backup was made."""

    rule: str
    subject: str
    detail: str


class Note(BaseModel):
    """The content of the note beside a backup.

    `head` is the end of the hash chain, `{seq}:{hash}`; `roles` are further roles with rights in the
    database; `mac` is the HMAC-SHA256 of everything else under the key that `key_id` names. Both are None
    without a key.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = Field(default=FORMAT, ge=1)
    made_at: AwareDatetime
    release: str
    schema_version: str = Field(pattern=r"^\w{1,32}$")
    server_version: int = Field(ge=1)
    dumped_by: int = Field(ge=1)
    bytes: int = Field(ge=0)
    sha256: _Hash
    head: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$")] | None
    findings: tuple[NotedFinding, ...]
    notes: tuple[str, ...]
    roles: tuple[str, ...]
    key_id: str | None = None
    mac: _Hash | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


def note_path(backup: Path) -> Path:
    """Return the path of a backup's note."""
    return backup.with_name(f"{backup.name}.json")


def digest_of(path: Path) -> Digest:
    """Return size and hash of a file. Raises `OSError`."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            report(f"reading {path.name}, {size / 1_000_000:,.1f} MB")
    return Digest(size, digest.hexdigest())


def read_note(backup: Path) -> Note:
    """Read the note of a backup.

    Raises:
        BackupRefused: there is no note, it cannot be read, or it has a later format.
    """
    path = note_path(backup)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_NOTE_BYTES + 1)
    except OSError as error:
        raise BackupRefused(
            f"The note {path} cannot be read ({error.strerror}): a backup is restored with the note that was"
            " written beside it."
        ) from None
    if len(content) > MAX_NOTE_BYTES:
        raise BackupRefused(f"The note {path} is larger than 64 MiB, so it is not one that was written here.")
    try:
        note = Note.model_validate_json(content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise BackupRefused(f"The note {path} cannot be read: look at {place or 'its form'}.") from None
    if note.format > FORMAT:
        raise BackupRefused("The backup was made by a later release: restore it with that one.")
    return note


def refuse_changed(backup: Path, note: Note) -> None:
    """Refuse a backup file whose size or hash is not that of its note.

    Raises:
        BackupRefused: the file cannot be read, or was changed or truncated since.
    """
    try:
        found = digest_of(backup)
    except OSError as error:
        raise BackupRefused(f"The file {backup} cannot be read ({error.strerror}).") from None
    if found.bytes != note.bytes:
        raise BackupRefused(
            f"The file {backup} has {found.bytes} bytes and not the {note.bytes} of its note: it is another"
            " file, or was cut off."
        )
    if found.sha256 != note.sha256:
        raise BackupRefused(f"The file {backup} was changed since it was made: its SHA-256 is another one.")


def signed(note: Note, secrets: Sequence[SecretStr]) -> Note:
    """Return the note signed with the first key, so that changing file and note together is detected too."""
    if not secrets:
        return note
    key_id, key = _derived(secrets[0])
    named = note.model_copy(update={"key_id": key_id, "mac": None})
    return named.model_copy(update={"mac": hmac.digest(key, as_json(named), "sha256").hex()})


def refuse_unsigned(note: Note, secrets: Sequence[SecretStr]) -> None:
    """Refuse a note that is not signed by one of the keys.

    Raises:
        BackupRefused: the note is unsigned, signed by another key, or was changed since.
    """
    key = dict(map(_derived, secrets)).get(note.key_id or "")
    content = as_json(note.model_copy(update={"mac": None}))
    if key is None or note.mac is None:
        raise BackupRefused(
            "The note is not signed by AUDIT_KEY or AUDIT_KEY_PREVIOUS, so nobody knows who wrote it: set the"
            " key that it was made with, or give --unsigned if you know where the file has been."
        )
    if not hmac.compare_digest(hmac.digest(key, content, "sha256").hex(), note.mac):
        raise BackupRefused("The note was changed since the backup was made: its signature does not fit.")


def _derived(secret: SecretStr) -> tuple[str, bytes]:
    key = hmac.digest(secret.get_secret_value().encode(), b"notes of backups", "sha256")
    return hmac.digest(key, b"its id", "sha256").hex()[:16], key


def as_json(note: Note) -> bytes:
    """Return the note as it is written to the file."""
    return note.model_dump_json(indent=2).encode() + b"\n"
