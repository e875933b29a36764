"""The secret key that development keeps for itself, so that nobody has to set one."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def kept_key(path: Path, *, min_length: int) -> str | None:
    """Return the key in the file, made once; None where it cannot be read or made, or is too short.

    Two processes that start at once agree on one.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # for its owner only
                file.write(secrets.token_urlsafe(48))
                file.flush()
                # The name appears with the whole content, and only for the first of two processes.
                with contextlib.suppress(FileExistsError):
                    os.link(file.name, path)
        key = path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return key if len(key) >= min_length else None
