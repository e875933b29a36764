"""Where the processor time goes on each hot path, sampled from outside while a benchmark makes the load.

Run: `python -m tests.benchmarks.profiles webhooks`, `settling` or `push`. Needs `py-spy` and what the
benchmark needs. Lists our functions by their cumulative time first, then files by their own time. Samples
in which no thread holds the GIL, or one is importing, do not count.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

A_SECOND = 250
LEAST_SHARE = 0.03


@dataclass(frozen=True)
class HotPath:
    """A load, and the process to sample under it.

    Attributes:
        benchmark: the module of the load, and its arguments.
        process: a text in the command line of the process to sample.
        turn: which of the processes with that text, in starting order, counted from zero.
        has_begun: whether the load has started, given the benchmark's process id.
        seconds: how long to sample.
    """

    benchmark: tuple[str, ...]
    process: str
    turn: int
    has_begun: Callable[[int], bool]
    seconds: int


def _below(parent: int) -> list[int]:
    """Return the descendants of a process, oldest first."""
    lists = Path(f"/proc/{parent}/task").glob("*/children")  # each thread lists its own children
    found = [int(child) for children in lists for child in children.read_text().split()]
    return sorted(found + [below for child in found for below in _below(child)])


def _holds(process: int, text: str) -> bool:
    """Return whether the command line of a process contains `text`."""
    try:
        return text in Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has just ended


def _has_files(process: int, number: int) -> bool:
    """Return whether a process has at least `number` open files, including sockets."""
    return len(list(Path(f"/proc/{process}/fd").iterdir())) >= number


PATHS = {
    "webhooks": HotPath(
        ("tests.benchmarks.inbox_throughput", "1"),
        "inbox_throughput ours",
        0,
        lambda load: any(_holds(one, "wrk -t1") for one in _below(load)),
        6,
    ),
    # The first worker reads the last weeks' orders; the second one settles.
    "settling": HotPath(
        ("tests.benchmarks.settling", "1700", "1"), "-m onramp_app worker", 1, lambda _: True, 8
    ),
    "push": HotPath(
        ("tests.benchmarks.live_balance", "1500"),
        "onramp_app.onramp_app:app",
        1,
        lambda load: _has_files(load, 500),
        15,
    ),
}


def _samples(path: HotPath, folder: Path) -> Counter[tuple[str, ...]]:
    """Sample the process while the benchmark runs. Returns the counts of stacks, outermost frame first."""
    with (folder / "log").open("wb") as log:
        load = subprocess.Popen((sys.executable, "-m", *path.benchmark), stdout=log, stderr=log)
    seen: list[int] = []
    try:
        while len(seen) <= path.turn or not path.has_begun(load.pid):
            assert load.poll() is None, (folder / "log").read_text()[-2000:]
            below = [one for one in _below(load.pid) if one not in seen]
            seen += [one for one in below if _holds(one, path.process)]
            time.sleep(0.05)
        raw = folder / "raw"
        process, seconds = str(seen[path.turn]), str(path.seconds)
        look = ("py-spy", "record", "--gil", "-p", process, "-d", seconds, "-r", str(A_SECOND))
        subprocess.run((*look, "-f", "raw", "-o", raw), check=True, capture_output=True)
    finally:
        load.send_signal(signal.SIGINT)  # The rest of the benchmark is not needed.
        load.wait()
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, times = line.rpartition(" ")
        frames = tuple(re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";"))
        if not any("importlib._bootstrap" in frame for frame in frames):
            stacks[frames] += int(times)
    return stacks


def main(name: str) -> None:
    """Print the profile of a path."""
    if shutil.which("py-spy") is None:
        sys.exit("py-spy is not installed.")
    with tempfile.TemporaryDirectory() as folder:
        stacks = _samples(PATHS[name], Path(folder))
    with_below: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for frames, times in stacks.items():
        for frame in {frame for frame in frames if "(onramp_app/" in frame}:
            with_below[frame] += times
        alone[frames[-1].rpartition("(")[2].rstrip(")")] += times
    total = stacks.total()
    print(f"{name}: {total} samples at {A_SECOND} a second")  # noqa: T201
    for counted in (with_below, alone):
        for what, times in counted.most_common():
            if times > LEAST_SHARE * total:
                print(f"{100 * times / total:5.1f} % {what}")  # noqa: T201
        print()  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
