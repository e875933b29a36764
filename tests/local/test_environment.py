"""Environment variables other than our settings: what they may change, and which processes see them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from onramp_app.config import ConfigurationError, Settings, load_settings
from onramp_app.local import postgres, start
from onramp_app.local.environment import check_certificates, check_folder, check_home, node_environment
from onramp_app.local.processes import StartFailed
from onramp_app.providers.onramp.http.envelope import CallFailed
from onramp_app.providers.onramp.http.transport import Credentials, Transport
from onramp_app.proxies import proxy_for, usable_proxies
from tests.ports import free_port

CANARY = "canary-7Fq2-that-no-child-may-see"
PROVIDER = "https://api.onramp.money"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_PROXY": "localhost,fd00::/8"},
        pytest.param({"NO_PROXY": "localhost,[::1]"}, marks=pytest.mark.full),
        pytest.param({"ALL_PROXY": "socks5://10.9.9.9:1080"}, marks=pytest.mark.full),
        pytest.param({"HTTP_PROXY": "10.9.9.9:3128"}, marks=pytest.mark.full),
        pytest.param({"HTTP_PROXY": "http://[", "HTTPS_PROXY": "not a proxy"}, marks=pytest.mark.full),
        {"REFLEX_CORS_ALLOWED_ORIGINS": "*", "GRANIAN_LOG_LEVEL": "shout", "REFLEX_BACKEND_HOST": "0.0.0.0"},
    ],
    ids=str,
)
def test_the_configuration_and_reflexs_own_client_load_in_any_environment(environment, project_dir):
    program = (
        "import asyncio, os, rxconfig\n"
        "from reflex.utils import net\n"
        "net._httpx_local_address_kwarg = lambda: None  # it would ask the internet\n"
        "net._httpx_client()\n"
        "from onramp_app.providers.onramp.http.transport import Credentials, Transport\n"
        "async def main(): await Transport('http://localhost:8001', Credentials('k', 's')).close()\n"
        "asyncio.run(main())\n"
        "print(rxconfig.config.cors_allowed_origins, rxconfig.config.backend_host)\n"
        "print(os.environ.get('GRANIAN_LOG_LEVEL'))  # the server would end with a traceback at this one\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project_dir,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SECRET_KEY": "k" * 32, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "['http://localhost:3000', 'http://127.0.0.1:3000'] 127.0.0.1\nNone\n"


def test_a_proxy_is_for_the_internet_and_never_for_this_machine(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://10.9.9.9:3128")
    for host in ("localhost", "localhost.", "a.localhost", "127.0.0.1", "127.8.8.8", "[::1]", "0.0.0.0"):
        assert proxy_for(f"http://{host}:8001") is None
    assert proxy_for(PROVIDER) == "http://10.9.9.9:3128"
    assert usable_proxies()["https://"] == "http://10.9.9.9:3128"


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("onramp.money", PROVIDER, True),
        (".onramp.money", PROVIDER, True),
        ("*.onramp.money:443", PROVIDER, True),
        ("*", PROVIDER, True),
        ("money", PROVIDER, True),
        ("ramp.money", PROVIDER, False),
        ("", PROVIDER, False),
        (",,", PROVIDER, False),
        ("fd00::/8", "https://[fd12::1]", True),
        ("[fd12::1]", "https://[fd12::1]", True),
        ("10.0.0.0/8", "https://10.4.4.4", True),
        ("10.0.0.0/8", "https://11.4.4.4", False),
    ],
)
def test_no_proxy_means_names_addresses_and_networks(monkeypatch, no_proxy, url, is_direct):
    monkeypatch.setenv("HTTPS_PROXY", "10.9.9.9:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == (None if is_direct else "http://10.9.9.9:3128")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ALL_PROXY", "socks5://10.9.9.9:1080", "ALL_PROXY names a SOCKS proxy, which needs the package"),
        (
            "https_proxy",
            "http://[",
            "https_proxy is not the address of a proxy that can be used",
        ),
        ("HTTPS_PROXY", "ftp://proxy", "HTTPS_PROXY is not the address of a proxy"),
        ("HTTPS_PROXY", "http://proxy:99999", "HTTPS_PROXY is not the address of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_sentence_where_it_is_needed(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{sentence}") as refusal:
        proxy_for(PROVIDER)
    assert value not in str(refusal.value)
    assert proxy_for("http://localhost:8001") is None


async def test_the_provider_is_asked_by_the_operators_proxy(monkeypatch):
    asked: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        transport = Transport(PROVIDER, Credentials("k", "s"))
        with pytest.raises(CallFailed):
            await transport._ask_current_timestamp()
        await transport.close()
    assert asked == [b"CONNECT api.onramp.money:443 HTTP/1.1\r\n"]


def test_blanks_around_values_are_taken_off(monkeypatch, tmp_path):
    given = {
        "ONRAMP_API_SECRET": "a-secret\n",
        "ONRAMP_API_KEY": "\ta-key\r",
        "SECRET_KEY": "\ufeff" + "k" * 32 + "\u00a0",
        "PUBLIC_URL": " https://wallet.my-company.in \n",
        "PORT": " 3000\r\n",
        "BACKGROUND_WORK": "off \n",
        "LIMITS": '\n {"currency": "EUR"}\n',
        "ASSETS": ' {" USDT": ["matic20 "]}',
        "TREASURY_ADDRESSES": ' {"matic20": [{"address": " 0x12345678\\n"}]} ',
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(tmp_path)

    assert settings.onramp_api_secret.get_secret_value() == "a-secret"
    assert settings.onramp_api_key.get_secret_value() == "a-key"
    assert settings.secret_key.get_secret_value() == "k" * 32
    assert (settings.public_url, settings.port) == ("https://wallet.my-company.in", 3000)
    assert (settings.background_work, settings.limits.currency) == ("off", "EUR")
    assert settings.assets == {"USDT": ("matic20",)}
    assert settings.treasury_addresses["matic20"][0].address == "0x12345678"


def test_blanks_around_values_of_the_file_are_taken_off(tmp_path):
    (tmp_path / ".env").write_text("ONRAMP_API_SECRET='a-secret\n '\nPORT=' 3000'\n")
    settings = Settings(_env_file=tmp_path / ".env")

    assert (settings.onramp_api_secret.get_secret_value(), settings.port) == ("a-secret", 3000)


def test_blanks_alone_are_no_value_and_a_line_break_within_one_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("APP_NAME", " \n")
    assert load_settings(tmp_path).app_name == "Wallet"
    monkeypatch.setenv("ONRAMP_API_KEY", "a\nkey")
    with pytest.raises(ConfigurationError, match=r"^ONRAMP_API_KEY cannot be used: it holds a line break"):
        load_settings(tmp_path)


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "arm64-apple-darwin20.0.0", "x86-conda-linux"])
def test_condas_host_is_one_sentence(monkeypatch, tmp_path, host):
    monkeypatch.setenv("HOST", host)
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(tmp_path)
    assert str(refusal.value) == (
        "HOST cannot be used: it is an address to listen on, such as 0.0.0.0; conda sets it to something "
        "else, so unset it."
    )


def test_the_embedded_database_is_reached_whatever_libpq_is_told(monkeypatch, tmp_path):
    variables = {
        "PGHOSTADDR": "192.0.2.1",
        "PGSSLMODE": "verify-full",
        "PGSERVICE": "none",
        "PGOPTIONS": "-c no=1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with postgres.local_database(tmp_path) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_children_get_what_they_need_and_no_secret(monkeypatch, tmp_path):
    for name in ("SECRET_KEY", "DATABASE_URL", "ONRAMP_API_SECRET", "MY_OWN_TOKEN", "PGPASSWORD"):
        monkeypatch.setenv(name, CANARY)
    server = postgres.start(tmp_path, settings={"fsync": "off"})
    simulator = start.start_simulator(port=free_port(), data_dir=tmp_path, host="127.0.0.1")
    try:
        found = {path.parent.name: path.read_bytes() for path in _environments_below(os.getpid())}
        commands = " ".join(map(_command_of, found))
        assert "onramp_app.simulator" in commands
        assert "postgres" in commands
        assert [pid for pid, environment in found.items() if CANARY.encode() in environment] == []
    finally:
        simulator.stop()
        server.stop()


def _command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""  # a short-lived process of the server that has ended in the meantime


def _environments_below(parent: int) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent:
                found += [process / "environ", *_environments_below(int(process.name))]
        except OSError:
            continue
    return found


def test_reflexs_children_get_no_secret(project_dir):
    program = (
        "import os, rxconfig\n"
        "from reflex.utils import processes\n"
        "command = ['sh', '-c', 'tr \"\\\\0\" \"\\\\n\" < /proc/self/environ']\n"
        "print(processes.new_process(command, run=True).stdout)\n"
        "print(processes.new_process(command, run=True, env={**os.environ, 'PORT': '3000'}).stdout)\n"
        "print(processes.new_process(command, env=dict(os.environ)).communicate()[0])\n"
        "print(os.environ['SECRET_KEY'] and 'and the worker has them')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project_dir,
        env={"PATH": os.environ["PATH"], "HOME": "/root", "SECRET_KEY": CANARY, "ONRAMP_API_SECRET": CANARY},
        capture_output=True,
        text=True,
        check=True,
    )
    assert CANARY not in done.stdout
    assert done.stdout.count("HOME=/root") == 3
    assert "PORT=3000" in done.stdout
    assert done.stdout.endswith("and the worker has them\n")


def test_node_gets_only_options_that_work_everywhere():
    given = {
        "NODE_OPTIONS": "--require /gone/bootloader.js --max-old-space-size=512",
        "NODE_ENV": "production",
        "http_proxy": "10.9.9.9:3128",
        "npm_config_registry": "https://packages.internal",
        "npm_config_omit": "dev",
    }
    assert node_environment(given) == {
        "NODE_OPTIONS": "--max-old-space-size=512",
        "http_proxy": "http://10.9.9.9:3128",
        "npm_config_registry": "https://packages.internal",
    }


@pytest.mark.parametrize("character", "%#?\\")
def test_a_folder_in_which_no_pages_can_be_built_is_one_sentence(tmp_path, character):
    folder = tmp_path / f"a{character}b"
    folder.mkdir()
    with pytest.raises(StartFailed, match=r"^The pages cannot be built in the folder .*; rename or"):
        check_folder(folder)
    check_folder(tmp_path)


def test_certificates_that_cannot_be_read_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with pytest.raises(StartFailed, match=r"^SSL_CERT_FILE names no file of certificates .*; unset it\.$"):
        check_certificates()


def test_the_migrations_are_found_in_a_folder_of_any_name(tmp_path, project_dir):
    folder = tmp_path / "100% of a #1, 'naïve' folder"
    folder.mkdir()
    for name in ("onramp_app", "alembic", "alembic.ini"):
        (folder / name).symlink_to(project_dir / name)
    done = subprocess.run(
        ["alembic", "heads"], cwd=folder, capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.stdout.endswith("(head)\n"), done.stderr


@pytest.mark.parametrize("refused", ["home", "project", "project/.web", "project/.web/pages"])
def test_a_folder_that_cannot_be_written_to_is_one_sentence(monkeypatch, tmp_path, refused):
    (tmp_path / "home").mkdir()
    (tmp_path / "project" / ".web" / "pages").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "not-made-yet"))

    def check() -> None:
        check_home()
        check_folder(tmp_path / "project")

    check()
    # Root may write everywhere, so the kernel's answer is faked.
    may = os.access
    closed = tmp_path / refused
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and may(path, mode))
    with pytest.raises(StartFailed, match=r"cannot be written to(, and|; delete|; start as)") as refusal:
        check()
    assert "\n" not in str(refusal.value)
