"""How long a second `reflex run` takes until page and API answer, compared with a bare application.

Run: `python -m tests.benchmarks.second_start [rounds]`. Both run from separate folders, in development as in
the README, after a first start that installed and built what they need. Ours includes its database, the
provider's simulator and the background work.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from onramp_app.config import PROJECT_DIR
from tests.benchmarks.bare import environment, lay_out
from tests.benchmarks.machine import load
from tests.ports import free_port

SECONDS_TO_START = 300


@dataclass(frozen=True)
class Application:
    """An application's name and folder, and the paths that answer once it has started: page and server."""

    name: str
    folder: Path
    page: str
    server: str

    def start(self) -> float:
        """Start the application, wait until both paths answer, stop it. Returns the seconds of the start."""
        # Reflex's marker, left by a start that has just ended, would make the next one serve older pages.
        (self.folder / ".web" / "nocompile").unlink(missing_ok=True)
        pages, server = free_port(), free_port()
        command = [sys.executable, "-m", "reflex", "run"]
        command += ["--frontend-port", str(pages), "--backend-port", str(server)]
        began = time.monotonic()
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment(), stdout=log, stderr=log, start_new_session=True
            )
        try:
            urls = [f"http://127.0.0.1:{pages}{self.page}", f"http://127.0.0.1:{server}{self.server}"]
            while not all(map(answers, urls)):
                assert process.poll() is None, (self.folder / "log").read_text()[-1000:]
                assert time.monotonic() - began < SECONDS_TO_START, (self.folder / "log").read_text()[-1000:]
                time.sleep(0.05)
            return time.monotonic() - began
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process group as Ctrl-C in a terminal does, and kill what is left after 20 seconds."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(2)  # The local database stops after the process that it belongs to.


def answers(url: str) -> bool:
    """Return whether `url` is answered with success."""
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=5, trust_env=False).is_success
    return False


def main(rounds: int) -> None:
    """Start each application once, then measure them in turn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=PROJECT_DIR, check=True, capture_output=True)
        (folder / "ours").mkdir()
        subprocess.run(["tar", "-x", "-C", folder / "ours"], input=archive.stdout, check=True)
        lay_out(folder / "bare")
        both = (
            Application("ours", folder / "ours", "/", "/api/health/ready"),
            Application("bare", folder / "bare", "/home", "/ping"),
        )
        for one in both:
            print(f"first start of {one.name}: {one.start():.1f} s")  # noqa: T201
        took: dict[str, list[float]] = {one.name: [] for one in both}
        for _ in range(rounds):
            for one in both:
                took[one.name].append(one.start())
            print({name: f"{values[-1]:.1f} s" for name, values in took.items()})  # noqa: T201
    ours, bare = (statistics.median(values) for values in took.values())
    print(  # noqa: T201
        f"second start: ours {ours:.1f} s, bare {bare:.1f} s; allowed 1.25 times that and 3 s,"
        f" {1.25 * bare + 3:.1f} s; {load()}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
