"""Which environment variables reach child processes, and libraries that read the environment themselves.

Settings are read in `config.py` alone. A variable that a library would read too is removed where it could
override a setting. Child processes get only the variables named here, and therefore no secret.
"""

import os
import re
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from onramp_app.local.processes import StartFailed

# What any program needs to run: search paths, temporary folders, language and time zone.
_SYSTEM = re.compile(r"PATH|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TMP|TEMP|LD_LIBRARY_PATH|DYLD_\w+")
# What Node, npm and the pages' tools need: their folders, terminal settings, proxies and certificates; and
# what the application itself passes to them.
_NODE = re.compile(
    r"HOME|USER|LOGNAME|SHELL|XDG_\w+_HOME|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|COLUMNS|LINES|CI"
    r"|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|NODE_OPTIONS|PORT"
    r"|NPM_CONFIG_(REGISTRY|CACHE|USERCONFIG|GLOBALCONFIG|PROXY|HTTPS_PROXY|NOPROXY|CAFILE|STRICT_SSL"
    r"|PREFER_OFFLINE|OFFLINE|FETCH_\w+|MAXSOCKETS)"
    r"|ONRAMP_PAGES_HOST|ONRAMP_STARTED_BY|REFLEX_NO_AUTOPREFIXER",
    re.IGNORECASE,
)
# Debuggers and editors add options that fail elsewhere, such as a file that every Node program must load.
_NODE_OPTION = re.compile(r"--(max-|use-|dns-result-order)")
# With these, operators say how libpq verifies their server and authenticates to it.
_LIBPQ_KEPT = re.compile(r"PGSSL\w+|PGPASS(FILE|WORD)|PGKRBSRVNAME")


def program_environment() -> dict[str, str]:
    """Return the environment for a child process that needs only the system's variables."""
    return {name: value for name, value in os.environ.items() if _SYSTEM.fullmatch(name)}


def node_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `given` that Node, npm and Vite may see, in a form that they can parse."""
    kept = {n: value for n, value in given.items() if _SYSTEM.fullmatch(n) or _NODE.fullmatch(n)}
    for name, value in list(kept.items()):
        if name.upper() == "NODE_OPTIONS":
            kept[name] = " ".join(option for option in value.split() if _NODE_OPTION.match(option))
        elif name.upper() in ("HTTP_PROXY", "HTTPS_PROXY") and value.strip() and "://" not in value:
            kept[name] = f"http://{value.strip()}"  # npm crashes on a proxy address without a scheme
    return kept


class _Subprocess:
    """Replaces `subprocess` in Reflex's own module; its children get what `node_environment` lets through."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    @staticmethod
    def Popen(*args: Any, **options: Any) -> Any:  # noqa: N802 -- its name there
        return subprocess.Popen(*args, **_with_restricted_env(options))  # noqa: S603  # nosec B603

    @staticmethod
    def run(*args: Any, **options: Any) -> Any:
        return subprocess.run(*args, **_with_restricted_env(options))  # noqa: PLW1510, S603  # nosec B603

    @staticmethod
    def check_output(*args: Any, **options: Any) -> Any:
        return subprocess.check_output(*args, **_with_restricted_env(options))  # noqa: S603  # nosec B603


def _with_restricted_env(options: dict[str, Any]) -> dict[str, Any]:
    given = options.get("env")
    return {**options, "env": node_environment(os.environ if given is None else given)}


def restrict_child_environments(processes: ModuleType) -> None:
    """Keep secrets from Reflex's child processes, which would otherwise inherit its whole environment.

    Args:
        processes: the module `reflex.utils.processes`, through which Reflex starts every child process.
    """
    processes.subprocess = _Subprocess()  # type: ignore[attr-defined]


def remove_library_variables(*, is_embedded: bool) -> None:
    """Remove the variables that would make libpq deviate from the database address in the settings.

    Args:
        is_embedded: the database is the embedded one, which has no certificate and has its own password; so
            the variables for verification and login are removed too.
    """
    for name in list(os.environ):
        if name.startswith("PG") and name[2:].isalpha() and (is_embedded or not _LIBPQ_KEPT.fullmatch(name)):
            del os.environ[name]


def check_certificates() -> None:
    """Raise `StartFailed` when a certificate file named in the environment cannot be read."""
    named = {os.environ.get(name): name for name in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")}
    for path, name in named.items():  # Loading one takes a tenth of a second; mostly both name the same file.
        if not path:
            continue
        try:
            ssl.create_default_context(cafile=path)
        except OSError:  # ssl.SSLError is one
            raise StartFailed(f"{name} names no file of certificates that can be read; unset it.") from None


def check_home() -> None:
    """Raise `StartFailed` when Reflex and npm cannot write to the home folder."""
    home = Path(os.environ.get("HOME") or Path.home())
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StartFailed(
            f"HOME names {home}, which cannot be written to, and Reflex and npm keep files there; set HOME to"
            " a folder of your own."
        )


def check_folder(project: Path) -> None:
    """Raise `StartFailed` when the pages cannot be built in the project's folder.

    Vite would read certain characters of a path as parts of a URL.
    """
    for character in "%#?\\":
        if character in str(project):
            raise StartFailed(
                f"The pages cannot be built in the folder {project}, because Node does not take {character}"
                " in a path; rename or move it."
            )
    web = project / os.environ.get("REFLEX_WEB_WORKDIR", ".web")
    for folder in (project, web, *(web.iterdir() if web.is_dir() and os.access(web, os.R_OK) else ())):
        if folder.exists() and not os.access(folder, os.W_OK):
            cure = f"delete {web}" if folder != project else "start as the user who owns it"
            raise StartFailed(f"The pages cannot be built, because {folder} cannot be written to; {cure}.")
