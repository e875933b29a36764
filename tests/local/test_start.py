"""The start of `reflex run`: what prevents it, with which messages, and that nothing is left running."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from onramp_app.config import load_settings
from onramp_app.db.migrate import latest_revision
from onramp_app.local import start
from onramp_app.local.processes import FolderLock, StartFailed
from tests.built_pages import shipped
from tests.listening import listening_at
from tests.ports import free_port

DEV = {
    "env": "dev",
    "frontend_port": None,
    "backend_port": None,
    "frontend_only": False,
    "backend_only": False,
}
REFLEX = [sys.executable, "-m", "reflex", "run"]


@pytest.mark.parametrize(
    ("options", "port", "ui", "api"),
    [
        ({}, None, 3000, 8000),
        ({}, 5000, 3000, 8000),
        ({"frontend_port": 3100, "backend_port": 8100}, None, 3100, 8100),
        ({"frontend_only": True}, None, 3000, None),
        ({"backend_only": True}, None, None, 8000),
        ({"env": "prod"}, None, 3000, 3000),
        ({"env": "prod"}, 5000, 5000, 5000),
        ({"env": "prod", "frontend_port": 3100}, 5000, 3100, 3100),
        ({"env": "prod", "backend_port": 8100}, 5000, 8100, 8100),
        ({"env": "prod", "backend_only": True}, None, None, 8000),
        ({"env": "prod", "frontend_only": True}, None, 3000, None),
        ({"env": "preview"}, None, 3000, 3000),
    ],
)
def test_ports_follow_the_options_and_port_counts_for_a_production_build(options, port, ui, api):
    assert start.choose_ports({**DEV, **options}, port=port) == start.Ports(ui=ui, api=api)


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],
)
def test_a_taken_port_is_named_with_the_process_that_has_it(family, address):
    with socket.socket(family) as taken:
        try:
            taken.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no such address")
        taken.listen()
        port = taken.getsockname()[1]
        sentence = f"Port {port} is taken"
        if sys.platform == "linux":
            sentence += rf" by process {os.getpid()} \(.+\)"

        with pytest.raises(StartFailed, match=rf"^{sentence}; choose another\.$"):
            start.refuse_taken_port(port)
    start.refuse_taken_port(port)


def test_a_port_for_administrators_only_is_said():
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if os.geteuid() == 0 or not limit.exists() or int(limit.read_text()) < 2:
        pytest.skip("this user may use every port")
    with pytest.raises(StartFailed, match=r"^Port 1 is for administrators only; choose another\.$"):
        start.refuse_taken_port(1)


def refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, name: str = "DATABASE_URL") -> str:
    monkeypatch.setenv(name, url)
    with pytest.raises(StartFailed) as error:
        start.check_database(load_settings(tmp_path))
    return str(error.value)


def changed(url: str, **parts: str | int) -> str:
    """Return `url` with another `username`, `password`, `host`, `port` or `database`."""
    old = urlsplit(url)
    new = {"username": old.username, "password": old.password, "host": old.hostname, "port": old.port} | parts
    database = parts.get("database", old.path.strip("/"))
    return f"postgresql://{new['username']}:{new['password']}@{new['host']}:{new['port']}/{database}"


@pytest.fixture
def owner_url(postgres_server: str) -> str:
    return f"{postgres_server}/postgres"


def test_each_wrong_database_is_one_sentence_without_the_password(monkeypatch, tmp_path, owner_url):
    right = urlsplit(owner_url)
    here = f"the server at 127.0.0.1:{right.port}"
    closed = free_port()
    wrong = {
        changed(owner_url, password="wr0ng"): f"{here} refuses this user name and password.",
        changed(owner_url, username="nobody"): f"{here} refuses this user name and password.",
        changed(owner_url, database="absent"): f"{here} has no database absent.",
        changed(owner_url, port=closed): f"the server at 127.0.0.1:{closed} does not answer.",
        changed(owner_url, host="db.invalid"): "the host db.invalid is not known.",
        owner_url + "?nonsense=1": "the address has a parameter after its ? that PostgreSQL does not know.",
    }
    for url, reason in wrong.items():
        sentence = refusal(monkeypatch, tmp_path, url)
        assert sentence == f"DATABASE_URL: {reason}"
        assert right.password not in sentence
        assert "wr0ng" not in sentence


def test_the_owner_url_is_checked_too(monkeypatch, tmp_path, owner_url):
    monkeypatch.setenv("DATABASE_URL", owner_url)
    start.check_database(load_settings(tmp_path))

    sentence = refusal(monkeypatch, tmp_path, changed(owner_url, database="x"), "DATABASE_OWNER_URL")

    assert sentence.startswith("DATABASE_OWNER_URL: the server at ")


@pytest.fixture
def old_postgres() -> Iterator[int]:
    """The port of a fake PostgreSQL 14, which sends the first messages of protocol 3.0."""
    listener = socket.create_server(("127.0.0.1", 0))

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + (len(body) + 4).to_bytes(4, "big") + body

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while int.from_bytes(connection.recv(4096)[4:8], "big") != 3 << 16:
                connection.sendall(b"N")  # neither TLS nor GSS
            connection.sendall(
                message(b"R", bytes(4))
                + message(b"S", b"server_version\x0014.11\x00")
                + message(b"S", b"client_encoding\x00UTF8\x00")
                + message(b"Z", b"I")
            )
            connection.recv(4096)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(5)
    listener.close()


def test_a_postgresql_that_is_too_old_is_one_sentence(monkeypatch, tmp_path, old_postgres):
    sentence = refusal(monkeypatch, tmp_path, f"postgresql://user:pw@127.0.0.1:{old_postgres}/wallet")

    assert sentence == "DATABASE_URL names a PostgreSQL 14; version 15 or later is needed."


@pytest.fixture
def project(tmp_path: Path, project_dir: Path) -> Path:
    """A copy of the files that `reflex run` needs, with its own `.data`."""
    for folder in ("onramp_app", "alembic", "assets"):
        shutil.copytree(project_dir / folder, tmp_path / folder)
    for file in ("rxconfig.py", "alembic.ini"):
        shutil.copy(project_dir / file, tmp_path)
    return tmp_path


def environment(**values: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **values}


def refused(project: Path, *options: str, **values: str) -> str:
    """Run `reflex run`, which must exit with status 1; return its output."""
    done = subprocess.run(
        [*REFLEX, *options],
        cwd=project,
        env=environment(**values),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout


def test_a_second_start_names_the_running_process(project):
    (project / ".data").mkdir()
    lock = FolderLock(project / ".data" / "start.lock")
    assert lock.try_acquire()
    try:
        assert refused(project) == f"The application already runs here as process {os.getpid()}.\n"
    finally:
        lock.release()


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        (("--env", "prod"), "PORT"),
        pytest.param((), "REFLEX_FRONTEND_PORT", marks=pytest.mark.full),
        pytest.param(("--frontend-port",), None, marks=pytest.mark.full),
    ],
)
def test_a_taken_port_stops_the_start_before_anything_else(project, options, variable):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = (
            refused(project, *options, **{variable: port}) if variable else refused(project, *options, port)
        )
        assert said.startswith(f"Port {port} is taken")
        assert said.count("\n") == 1
    assert not (project / ".data" / "postgres").exists()


def test_a_wrong_database_and_a_missing_setting_stop_the_start_in_one_sentence(project):
    ports = ("--frontend-port", "13210", "--backend-port", "13211")
    unreachable = "postgresql://user:s3cret@127.0.0.1:1/wallet"

    simulator = "http://localhost:1"  # a configured simulator is not started, so its port may be taken
    assert refused(project, *ports, DATABASE_URL=unreachable, ONRAMP_API_URL=simulator) == (
        "DATABASE_URL: the server at 127.0.0.1:1 does not answer.\n"
    )
    missing = refused(project, APP_ENV="production")
    assert missing.startswith("PUBLIC_URL, DATABASE_URL, SECRET_KEY, ")
    assert missing.endswith(" and SUPPORT_EMAIL are not set, and production needs them.\n")


PRODUCTION = {
    "APP_ENV": "production",
    "PUBLIC_URL": "https://wallet.mycompany.io",
    "SECRET_KEY": "Zq7mC2xWn0Tb9LrVh4Ky8Gd1Fs6Pj3Ea5Uo",
    "ONRAMP_APP_ID": "4711",
    "ONRAMP_API_KEY": "key-of-ours",
    "ONRAMP_API_SECRET": "a-secret-of-ours-nobody-knows",
    "ASSETS": '{"USDT": ["matic20"]}',
    "TREASURY_ADDRESSES": '{"matic20": [{"address": "0x' + "a1b2c3d4e5" * 4 + '"}]}',
    "SMTP_URL": "smtps://wallet:pw@mail.mycompany.io",
    "MAIL_FROM": "no-reply@mycompany.io",
    "SUPPORT_EMAIL": "help@mycompany.io",
}
# Loads the configuration three times in the process of `run`, in a thread and in a fork, as Reflex does.
LOADS = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
import click
from reflex_base.config import reload_config

@click.command()
@click.option("--env")
@click.option("--frontend-port", type=int)
@click.option("--backend-port", type=int)
@click.option("--frontend-only", is_flag=True)
@click.option("--backend-only", is_flag=True)
def run(**options):
    for _ in range(3):
        reload_config()
    with ThreadPoolExecutor() as pool:
        pool.submit(reload_config).result()
    if os.fork() == 0:
        reload_config()
        os._exit(0)
    os.wait()
    names = ("DATABASE_URL", "PUBLIC_URL", "ONRAMP_API_URL", "REFLEX_FRONTEND_PORT")
    print(*(os.environ.get(name, "-").split("@")[0] for name in names))

run(prog_name="run")
"""


def loaded(project: Path, *options: str, **values: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADS, "--env", "prod", *options],
        cwd=project,
        env=environment(**values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,  # its output makes the better failure message
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_production_starts_no_local_server_starts_once_and_migrates_first(project, empty_database):
    shipped(project, **PRODUCTION, DATABASE_URL=empty_database)
    port = str(free_port())
    lines = loaded(project, DATABASE_URL=empty_database, PORT=port, **PRODUCTION)

    name = empty_database.split("@")[0]
    assert lines == [
        "Wallet: https://wallet.mycompany.io",
        "",
        f"{name} https://wallet.mycompany.io - {port}",
    ]
    assert not (project / ".data").exists()
    with psycopg.connect(empty_database) as connection:
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert revision == (latest_revision(),)


def test_development_starts_its_servers_once(project):
    shipped(project)
    port = free_port()
    lines = loaded(project, "--frontend-port", str(port), ONRAMP_API_URL="http://localhost:1")

    assert lines[:3] == [f"Wallet: http://localhost:{port}", "The money is simulated.", ""]
    assert re.fullmatch(rf"postgresql://\S+ http://localhost:{port} http://localhost:1 {port}", lines[3])
    assert len(lines) == 4


NAMED = {"DATABASE_URL": "postgresql://u:p@db:5432/w", "ONRAMP_API_URL": "http://x", "REDIS_URL": "redis://x"}


@pytest.mark.parametrize("missing", [None, *NAMED])
def test_only_a_start_that_names_every_server_may_run_beside_another(tmp_path, missing):
    named = {name.lower(): value for name, value in NAMED.items() if name != missing}
    assert start.names_all_servers(load_settings(tmp_path, **named)) == (missing is None)


def test_a_start_that_names_every_server_keeps_nothing_in_the_folder(project, database_of_the_file):
    shipped(project)
    values = {"DATABASE_URL": database_of_the_file, "ONRAMP_API_URL": "http://localhost:1"}
    values |= {"REDIS_URL": "redis://localhost:1", "SECRET_KEY": PRODUCTION["SECRET_KEY"]}
    loaded(project, "--frontend-port", str(free_port()), **values)

    assert not (project / ".data").exists(), "a second start would be refused"


@pytest.mark.full
@pytest.mark.parametrize("env", ["dev", "prod"])
@pytest.mark.parametrize(
    "how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL], ids=lambda s: s.name
)
def test_every_way_to_end_leaves_no_process_and_a_new_start_works_at_once(project, project_dir, env, how):
    if not (project_dir / ".web" / "node_modules").exists():
        pytest.skip("the packages of the pages are not installed: run reflex once")
    start.refuse_taken_port(start.SIMULATOR_PORT)  # the simulator only ever uses this port
    shutil.copytree(project_dir / ".web", project / ".web", symlinks=True)
    for _ in range(2):
        process, log = _run(project, env)
        running = " ".join(_processes_of(project))
        for part in ("react-router" if env == "dev" else "reflex", "bin/postgres", "onramp_app.simulator"):
            assert part in running, log.read_text()
        for port in (13220, 13221) if env == "dev" else (13220,):
            assert listening_at(port) == {"127.0.0.1"}
        process.send_signal(how)
        process.wait(20)
        deadline = time.monotonic() + 10
        while (left := _processes_of(project)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == [], log.read_text()


def _run(project: Path, env: str) -> tuple[subprocess.Popen[bytes], Path]:
    options = ["--frontend-port", "13220"] + ([] if env == "prod" else ["--backend-port", "13221"])
    log = project / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*REFLEX, "--env", env, *options], cwd=project, env=environment(), stdout=file, stderr=file
        )
    deadline = time.monotonic() + 90
    ready = ("Backend running", "App running") if env == "dev" else ("App running",)
    while not all(words in log.read_text() for words in ready):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    time.sleep(2)  # the worker starts after these lines are logged
    return process, log


def _processes_of(project: Path) -> list[str]:
    """Return the processes that run in the folder or name it: Node, server workers, database, keepers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(project) in command or (process / "cwd").readlink().is_relative_to(project):
                found.append(f"{process.name} {command}")
        except OSError:
            continue
    return found
