"""Runs the proxies of `deploy/` as plain processes, on local ports and without certificates."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onramp_app.config import PROJECT_DIR
from tests.ports import free_port
from tests.served import answers

DEPLOY = PROJECT_DIR / "deploy"


def _here(text: str, ports: list[int]) -> str:
    for given, port in zip(("127.0.0.1:3000", "127.0.0.1:3001"), ports, strict=True):
        assert given in text
        text = text.replace(given, f"127.0.0.1:{port}")
    return text


def nginx_here(folder: Path, ports: list[int], port: int) -> str:
    """Return a complete nginx configuration around the one in `deploy/`."""
    text = _here((DEPLOY / "nginx.conf").read_text(), ports)
    text = re.sub(r"server \{\n    listen 80;.*?\n\}\n", "", text, flags=re.DOTALL)
    text = re.sub(r"    ssl_\w+ .*\n", "", text.replace("listen 443 ssl http2", f"listen 127.0.0.1:{port}"))
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
        f" events {{}} http {{ access_log off; {temporary} {text} }}"
    )


def caddy_here() -> str:
    """Return the Caddy configuration of `deploy/`, with the admin endpoint turned off."""
    text = (DEPLOY / "Caddyfile").read_text()
    assert "\n{\n\tservers" in text
    return text.replace("\n{\n\tservers", "\n{\n\tadmin off\n\tservers")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def proxied(
    name: str, folder: Path, urls: list[str], *, port: int | None = None, is_served: bool = True
) -> Iterator[str]:
    """Run nginx or Caddy in front of the instances, on a free port unless one is given; yield its URL.

    With `is_served` false no instance is running, and the proxy itself answers.
    """
    ports, port = [int(url.rpartition(":")[2]) for url in urls], port or free_port()
    config = folder / name
    folder.mkdir(exist_ok=True)
    config.write_text(nginx_here(folder, ports, port) if name == "nginx" else caddy_here())
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert program, f"{name} is not installed"
    command = {
        "nginx": [program, "-c", config],
        "caddy": [program, "run", "--config", config, "--adapter", "caddyfile"],
    }[name]
    url = f"http://127.0.0.1:{port}"
    instances = {f"INSTANCE_{n}": f"127.0.0.1:{one}" for n, one in enumerate(ports, start=1)}
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, **instances, "SITE": url}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + 20
        while not (answers(f"{url}/api/health/ready") if is_served else _listens(port)):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)
