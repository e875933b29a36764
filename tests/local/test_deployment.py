"""The files for deploying elsewhere (Replit, containers, systemd) are right, and so is what they rely on."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from onramp_app.config import PROJECT_DIR, Settings, load_settings
from onramp_app.local import postgres, replit
from onramp_app.local.start import names_all_servers
from onramp_app.production import REQUIRED
from tests.ports import free_port

DEBIAN = Path("/usr/lib/postgresql/15/bin")
REPLIT: dict[str, Any] = tomllib.loads((PROJECT_DIR / ".replit").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_DIR / "compose.yaml").read_text())
SETTINGS = {name.upper() for name in Settings.model_fields}


def test_replit_has_one_port_for_everything_and_the_servers_listen_there() -> None:
    (port,) = REPLIT["ports"]
    assert port == {"localPort": int(REPLIT["env"]["PORT"]), "externalPort": 80}
    assert REPLIT["env"]["HOST"] == "0.0.0.0"
    assert REPLIT["env"].keys() <= SETTINGS


def test_replits_deployment_does_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLIT_DEPLOYMENT", "0")
    settings = load_settings().model_copy(update={"replit_deployment": "1"})
    assert not replit.sleeps(settings)


@pytest.mark.parametrize(
    ("file", "deployment", "is_told"),
    [
        ('[deployment]\ndeploymentTarget = "autoscale"', "1", True),
        ('[deployment]\ndeploymentTarget = "cloudrun"', "1", True),
        ('[deployment]\ndeploymentTarget = "autoscale"', "0", False),
        ('[deployment]\ndeploymentTarget = "vm"', "1", False),
        ('run = "reflex run"', "1", False),
        ("[deployment", "1", False),
        (None, "1", False),
    ],
)
def test_a_deployment_that_sleeps_is_known(
    tmp_path: Path, file: str | None, deployment: str, *, is_told: bool
) -> None:
    if file is not None:
        (tmp_path / ".replit").write_text(file)
    settings = load_settings().model_copy(update={"replit_deployment": deployment})
    assert replit.sleeps(settings, tmp_path) == is_told


def _variables(service: dict[str, Any]) -> set[str]:
    return set(service.get("environment", ()))


def test_the_containers_get_settings_that_exist_and_only_one_works_in_the_background() -> None:
    services = COMPOSE["services"]
    ours = {name: one for name, one in services.items() if one.get("image") == "wallet"}
    assert set(ours) == {"app-1", "app-2", "worker"}
    for name, service in ours.items():
        assert _variables(service) <= SETTINGS, name
        assert service["read_only"]
        assert service["environment"]["BACKGROUND_WORK"] == ("on" if name == "worker" else "off")
        assert set(service["depends_on"]) == {"postgres", "redis"}
    assert _variables(ours["app-1"]) == _variables(ours["app-2"])
    caddyfile = (PROJECT_DIR / "deploy" / "Caddyfile").read_text()
    assert set(re.findall(r"\{\$(\w+):", caddyfile)) == _variables(services["caddy"])
    shown = set(COMPOSE["x-application"]["build"]["args"])
    pages = {"SUPPORT_EMAIL", "APP_NAME", "PROVIDER_NAME", "ASSETS", "TERMS_URL", "PRIVACY_URL"}
    assert shown == pages | {"SOURCE_COMMIT"}
    assert set(re.findall(r"^ARG (\w+)", (PROJECT_DIR / "Dockerfile").read_text(), re.MULTILINE)) == shown


def test_the_container_runs_as_nobody_special_with_hashes_required() -> None:
    text = (PROJECT_DIR / "Dockerfile").read_text()
    assert text.count("\nFROM ") >= 1
    assert "--require-hashes -r requirements.lock" in text
    last = text[text.rindex("\nFROM ") :]
    (user,) = re.findall(r"^USER (\d+)$", last, re.MULTILINE)
    assert int(user) >= 10_000
    assert "/api/health/live" in last


@pytest.mark.parametrize("name", ["wallet@.service", "wallet-worker.service"])
def test_units_start_commands_that_exist_with_settings_that_exist(name: str) -> None:
    lines = (PROJECT_DIR / "deploy" / name).read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert {one.partition("=")[0] for one in given["Environment"].split()} <= SETTINGS
    (process,) = [
        line.split(": ", 1)[1]
        for line in (PROJECT_DIR / "Procfile").read_text().splitlines()
        if line.startswith("worker" if "worker" in name else "web")
    ]
    assert given["ExecStart"] == f"/opt/wallet/.venv/bin/{process}"
    assert int(given["TimeoutStopSec"]) > 10, "an instance has ten seconds to end in"


def test_the_table_of_secrets_names_all_that_production_needs() -> None:
    text = (PROJECT_DIR / "docs" / "deployment.md").read_text()
    replits = text[text.index("## Replit") : text.index("## Containers")]
    named = set(re.findall(r"^\| `([A-Z_]+)`", replits, re.MULTILINE))
    assert {name.upper() for name in REQUIRED} - {"PUBLIC_URL"} <= named
    assert named <= SETTINGS


def test_the_rehearsal_names_all_servers_and_has_settings_that_exist(tmp_path: Path) -> None:
    text = (PROJECT_DIR / "docs" / "deployment.md").read_text()
    (block,) = re.findall(r"```sh\n(APP_ENV=test\n.*?)```", text, re.DOTALL)
    given = dict(line.split("=", 1) for line in block.splitlines())
    assert given.keys() <= SETTINGS
    settings = load_settings(tmp_path, **{name.lower(): value for name, value in given.items()})
    assert names_all_servers(settings), "two units may not start from one folder"
    assert settings.uses_simulator


def test_the_login_of_the_application_may_open_what_two_instances_and_a_worker_take() -> None:
    text = (PROJECT_DIR / "docs" / "operations.md").read_text()
    (limit,) = re.findall(r"ALTER ROLE onramp_app CONNECTION LIMIT (\d+);", text)
    assert int(limit) > 3 * Settings.model_fields["database_connections"].default


LIVE = {
    "SECRET_KEY": "Zq8vT2mLw5Xc9Rk4Hn7Bd1Fj6Gs3Py0A",
    "ONRAMP_APP_ID": "7734",
    "ONRAMP_API_KEY": "k7Qw2Zr9Lm4Xv8Bt",
    "ONRAMP_API_SECRET": "u3Hn6Yc1Pd5Ks0Gf",
    "TREASURY_ADDRESSES": '{"matic20": [{"address": "0x7a3e9c41d85b2f60a9d14c7e6b3f80125d9ae4c7"}],'
    ' "bep20": [{"address": "0x7a3e9c41d85b2f60a9d14c7e6b3f80125d9ae4c7"}],'
    ' "arbitrum": [{"address": "0x7a3e9c41d85b2f60a9d14c7e6b3f80125d9ae4c7"}]}',
    "SMTP_URL": "smtps://wallet:p4Vt8Nx2@mail.my-company.in:465",
    "MAIL_FROM": "no-reply@my-company.in",
    "SUPPORT_EMAIL": "help@my-company.in",
}


@contextmanager
def _postgres_with_tls(folder: Path) -> Iterator[str]:
    """Run a server that accepts TLS, as Replit's does; yield its URL in Replit's form."""
    server = postgres.start(folder, binaries=DEBIAN)
    try:
        with psycopg.connect(server.superuser_url, autocommit=True) as owner:
            data = next(folder.rglob("PG_VERSION")).parent
            certificate = ("-subj", "/CN=localhost", "-out", "server.crt", "-keyout", "server.key")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *certificate],
                cwd=data,
                check=True,
                capture_output=True,
            )
            for name in ("server.crt", "server.key"):
                os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
                (data / name).chmod(0o600)
            owner.execute("ALTER SYSTEM SET ssl = on")
            owner.execute("SELECT pg_reload_conf()")
        yield f"{server.url}?sslmode=require"
    finally:
        server.stop()


@pytest.mark.full
def test_replits_commands_build_and_serve_in_a_clean_environment(tmp_path: Path) -> None:
    """From a clone of the repository, on a database with TLS, with only the variables that Replit sets."""
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "--quiet", PROJECT_DIR, copy], check=True)
    port = free_port()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        **{
            name: value
            for name, value in os.environ.items()
            if name.startswith(("PIP_", "npm_", "NODE_EXTRA", "SSL_"))
        },
        **REPLIT["env"],
        "PORT": str(port),
    }
    subprocess.run(
        REPLIT["deployment"]["build"], cwd=copy, env={**environment, **LIVE}, check=True, timeout=500
    )
    with _postgres_with_tls(tmp_path / "postgres") as database:
        running = {
            **environment,
            **LIVE,
            "DATABASE_URL": database,
            "REPLIT_DEPLOYMENT": "1",
            "REPLIT_DOMAINS": "wallet.my-company.replit.app,wallet.my-company.in",
        }
        began = time.monotonic()
        server = subprocess.Popen(
            REPLIT["deployment"]["run"],
            cwd=copy,
            env=running,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                while not _is_ready(client):
                    assert server.poll() is None, server.communicate()[0][-3000:]
                    assert time.monotonic() - began < 60
                    time.sleep(0.2)
                seconds = time.monotonic() - began
                page = client.get("/")
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            said = server.communicate(timeout=20)[0]
    sys.stdout.write(f"served after {seconds:.1f} s\n")
    assert "were built of" not in said, "the start takes the pages of the build"
    assert page.status_code == 200
    assert "<title>" in page.text
    assert "https://wallet.my-company.replit.app" in said
    assert replit.OPEN_A_TAB in said
    assert replit.SLEEPS not in said
    assert seconds < 15


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/api/health/ready").is_success
    except httpx.TransportError:
        return False
