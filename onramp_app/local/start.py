"""Checks what must hold before Reflex starts, and starts the local servers; called by `rxconfig.py`.

Whatever is wrong is reported in one sentence before Reflex prints anything. Servers are started once, by the
process of `reflex run`; its workers, hot reloads and other commands find them running.
"""

import contextlib
import errno
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from onramp_app.config import DATA_DIR, LIVE_API_URL, PROJECT_DIR, ConfigurationError, Settings, get_settings
from onramp_app.local import postgres, replit
from onramp_app.local.building import build_pages, can_build
from onramp_app.local.environment import (
    check_certificates,
    check_folder,
    check_home,
    program_environment,
    remove_library_variables,
)
from onramp_app.local.pages import PAGES_DIR, Build, build_of, made_of, why_missing
from onramp_app.local.processes import FolderLock, Kept, StartFailed, keep, sweep_at_end
from onramp_app.local.reachable import check_database
from onramp_app.proxies import proxy_for

UI_PORT, API_PORT, SIMULATOR_PORT = 3000, 8000, 8001
READY_SECONDS = 30

_held: list[object] = []  # the lock and the servers of this process, for as long as it lives


@dataclass(frozen=True)
class Ports:
    """Where the parts of one `reflex run` listen; None for a part that does not run."""

    ui: int | None
    api: int | None


@dataclass
class _Started:
    """The result of one start; `pages`: the build that it serves; `is_said`: the addresses were printed."""

    ports: Ports
    pages: Build | None
    is_simulated: bool
    is_said: bool = False


def begin(
    serve: Callable[[Build], None], prepare: Callable[[Settings], None], reuse: Callable[[Settings], None]
) -> Settings:
    """Check the configuration; in the process of `reflex run`, also start the local servers.

    Args:
        serve: makes Reflex serve built pages; called by a production start that serves pages.
        prepare: makes the database ready; called by a start with an API, before the addresses are printed.
        reuse: makes Reflex keep pages that are compiled already; called by a development start with pages.

    Ends the program with status 1 and one sentence on standard error when it cannot start.
    """
    context = click.get_current_context(silent=True)
    try:
        remove_library_variables(is_embedded=False)
        check_certificates()
        is_run = context is not None and context.info_name == "run"
        if context is not None and not context.params.get("backend_only") and not _serves_builds(context):
            check_home()
            check_folder(PROJECT_DIR)
        if context is not None and is_run:
            started = _start_once(context)
            if not started.is_said:
                started.is_said = True
                if started.ports.api is not None:
                    prepare(get_settings())
                if context.params["env"] == "dev" and started.ports.ui is not None:
                    reuse(get_settings())
                _say_where_to_go(get_settings(), started.ports, is_simulated=started.is_simulated)
            if started.pages is not None:
                serve(started.pages)
        return get_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def _serves_builds(context: click.Context) -> bool:
    is_production = context.info_name == "run" and context.params["env"] == "prod"
    return is_production and not context.params["backend_only"]


def names_all_servers(settings: Settings) -> bool:
    """Return whether a start needs no local server, so that several may run from one folder.

    This is the case in a rehearsal of production. Redis must be named too: without it each instance would
    keep the pages' states to itself.
    """
    return None not in (settings.database_url, settings.onramp_api_url, settings.redis_url)


@lru_cache(maxsize=1)
def _start_once(context: click.Context) -> _Started:
    """Check ports and database, start the local servers, and set the variables that point Reflex to them."""
    # Cached, because Reflex loads its configuration several times in a process, and its workers may be forks.
    settings = get_settings()
    ports = choose_ports(context.params, port=settings.port)
    if not settings.is_production and not (_serves_builds(context) and names_all_servers(settings)):
        _held.append(_only_one_start(DATA_DIR))
    # An operator who wants real or shared servers names them; a server that is not named is run locally.
    is_simulated = not settings.is_production and settings.onramp_api_url is None and ports.api is not None
    for port in dict.fromkeys((ports.ui, ports.api, SIMULATOR_PORT if is_simulated else None)):
        if port is not None:
            refuse_taken_port(port)
    if settings.is_production or not settings.uses_simulator:
        proxy_for(settings.onramp_api_url or LIVE_API_URL)  # report a bad proxy now, not at the first payment
    if settings.database_url is not None:
        check_database(settings)
    pages = shipped_pages(settings) if _serves_builds(context) else None
    # Each of the two waits for a process to come up, so they are started in parallel.
    with ThreadPoolExecutor(1) as aside:
        if is_simulated:
            simulator = aside.submit(
                start_simulator, port=SIMULATOR_PORT, data_dir=DATA_DIR, host=settings.listen_host
            )
        if settings.database_url is None and not settings.is_production:
            server = postgres.start(DATA_DIR)
            _held.append(server)
            os.environ["DATABASE_URL"] = server.url
    if is_simulated:
        _held.append(simulator.result())
        os.environ["ONRAMP_API_URL"] = f"http://localhost:{SIMULATOR_PORT}"
    if not settings.is_production:
        marker = secrets.token_hex(16)
        sweep_at_end(marker)
        os.environ["ONRAMP_STARTED_BY"] = marker
    _hand_ports_to_reflex(ports)
    if settings.public_url is None:
        os.environ["PUBLIC_URL"] = f"http://localhost:{ports.ui or UI_PORT}"
    get_settings.cache_clear()
    return _Started(ports, pages, is_simulated=is_simulated)


def shipped_pages(settings: Settings, folder: Path = PAGES_DIR) -> Build:
    """Return the built pages of this code; where they are missing, build them if Node is installed.

    Raises:
        StartFailed: they are missing and cannot be built; the sentence says how existing builds differ.
    """
    made = made_of(settings)
    if (build := build_of(made, folder)) is not None:
        return build
    why = why_missing(made, folder)
    if not can_build():
        raise StartFailed(
            f"{why} Node is needed to build them, and is not here: run `python -m onramp_app build` where it"
            f" is, with the same code and settings, and bring {folder.name} along."
        )
    sys.stdout.write(f"{why} They are built now.\n")
    sys.stdout.flush()
    try:
        return build_pages(folder)[0]
    except StartFailed as error:
        once = "Or run `python -m onramp_app build` once, as a user who may write there."
        raise StartFailed(f"{why} {error} {once}") from None


def choose_ports(options: Mapping[str, Any], *, port: int | None) -> Ports:
    """Choose the ports from the options of `reflex run` and, in production mode only, from `PORT`.

    Args:
        options: what click parsed: `env`, `frontend_port`, `backend_port`, `frontend_only`, `backend_only`.
        port: the setting `PORT`.
    """
    ui, api = options["frontend_port"], options["backend_port"]
    if options["env"] == "dev":
        ui, api = ui or UI_PORT, api or API_PORT
    else:
        ui = api = ui or api or port or (API_PORT if options["backend_only"] else UI_PORT)
    return Ports(ui=None if options["backend_only"] else ui, api=None if options["frontend_only"] else api)


def _hand_ports_to_reflex(ports: Ports) -> None:
    # Without these, Reflex would skip to another port if one is taken, and the printed address would be
    # wrong.
    if ports.ui is not None:
        os.environ["REFLEX_FRONTEND_PORT"] = str(ports.ui)
    if ports.api is not None:
        os.environ["REFLEX_BACKEND_PORT"] = str(ports.api)


def _only_one_start(data_dir: Path) -> FolderLock:
    try:
        data_dir.mkdir(exist_ok=True)
        lock = FolderLock(data_dir / "start.lock")
    except OSError as error:
        raise StartFailed(f"The folder {data_dir} cannot be used ({error.strerror}).") from None
    if not lock.try_acquire():
        raise StartFailed(f"The application already runs here as process {lock.holder}.")
    return lock


def refuse_taken_port(port: int) -> None:
    """Raise `StartFailed` when something listens on `port`, on any address of this machine."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 -- a probe  # nosec B104
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartFailed(f"Port {port} is taken{_by_whom(port)}; choose another.") from None
            if error.errno == errno.EACCES:
                raise StartFailed(f"Port {port} is for administrators only; choose another.") from None
            # Otherwise this machine does not have that kind of address.


def _by_whom(port: int) -> str:
    """Return " by process …" for the process that listens on `port`, or "" where Linux does not reveal it."""
    listening = {
        f"socket:[{fields[9]}]"
        for table in ("tcp", "tcp6")
        for fields in map(str.split, _lines(Path("/proc/net") / table)[1:])
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    for link in Path("/proc").glob("[0-9]*/fd/*") if listening else ():
        try:
            if str(link.readlink()) in listening:
                process = link.parent.parent
                return f" by process {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:  # it has ended meanwhile, or belongs to another user
            continue
    return ""


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def start_simulator(*, port: int, data_dir: Path, host: str) -> Kept:
    """Start the provider's simulator as a process that ends with this one; return once it listens.

    Raises:
        StartFailed: the port is taken, or the process ended or did not listen in time.
    """
    refuse_taken_port(port)
    database = data_dir / "simulator.sqlite"
    log_path = data_dir / "simulator.log"
    command = [sys.executable, "-m", "onramp_app.simulator"]
    command += ["--port", str(port), "--database", str(database), "--host", host]
    with log_path.open("wb") as log:
        simulator = keep(
            command,
            stop_signal=signal.SIGTERM,
            log=log,
            env={**program_environment(), "PYTHONPATH": str(PROJECT_DIR)},
        )
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return simulator
        if simulator.has_ended or time.monotonic() > deadline:
            simulator.stop()
            raise StartFailed(f"The simulator does not start; {log_path} says why.")
        time.sleep(0.02)


def _say_where_to_go(settings: Settings, ports: Ports, *, is_simulated: bool) -> None:
    if settings.is_production:
        lines = [f"{settings.app_name}: {settings.public_url}"]
    elif ports.ui == ports.api:
        lines = [f"{settings.app_name}: http://localhost:{ports.ui}"]
    else:
        lines = [f"{settings.app_name}:"]
        lines += [f"  pages      http://localhost:{ports.ui}"] if ports.ui else []
        lines += [f"  API        http://localhost:{ports.api}/api/docs"] if ports.api else []
    if is_simulated:
        lines.append(f"  simulator  http://localhost:{SIMULATOR_PORT}")
    if not settings.is_production:
        lines.append("The money is simulated.")
    if settings.replit_domains is not None:
        lines += ([] if settings.is_production else [settings.ui_origin]) + [replit.OPEN_A_TAB]
    if replit.sleeps(settings):
        lines.append(replit.SLEEPS)
    sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()
