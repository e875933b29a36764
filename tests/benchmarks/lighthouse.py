"""Lighthouse scores of the pages for signed-out visitors: medians of three runs, on mobile and desktop.

Measures the production build as served. Needs a Chromium, and fetches Lighthouse from npm.
Run: `python -m tests.benchmarks.lighthouse [path ...]`, by default `/` and `/login`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from onramp_app.local import postgres
from tests.chromium import FLAGS, chromium_path
from tests.e2e.site import PROJECT, running_site

VERSION = "12.8.2"
_RUNS = 3
_LOOKS = {"phone": [], "desk": ["--preset=desktop"]}


def _installed() -> Path:
    """Return the path of Lighthouse's script, installed with the application's own npm."""
    folder = PROJECT / ".pages-tests" / f"lighthouse-{VERSION}"
    script = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        npm = Path(sys.executable).with_name("npm")
        command: list[str | Path] = [
            npm,
            "install",
            "--no-save",
            "--no-fund",
            "--prefix",
            folder,
            f"lighthouse@{VERSION}",
        ]
        subprocess.run(command, check=True, env=_environment(), stdout=subprocess.DEVNULL)
    return script


def _environment() -> dict[str, str]:
    scripts = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "CHROME_PATH": chromium_path() or "",
    }


def _report(script: Path, url: str, *flags: str) -> Any:
    command: list[str | Path] = [
        Path(sys.executable).with_name("node"), script, url, *flags, "--quiet", "--output=json",
        f"--chrome-flags=--headless {' '.join(FLAGS)}",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, env=_environment(), stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def _line(reports: list[Any]) -> str:
    names = reports[0]["categories"]
    scores = {name: median(100 * one["categories"][name]["score"] for one in reports) for name in names}
    failed = {
        audit["id"]
        for one in reports
        for name, category in one["categories"].items()
        if name != "performance"
        for ref in category["auditRefs"]
        if ref["weight"] and (audit := one["audits"][ref["id"]])["score"] == 0
    }
    said = ", ".join(f"{name} {score:.0f}" for name, score in scores.items())
    timed = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time")
    times = ", ".join(
        f"{name} {median(one['audits'][name]['numericValue'] for one in reports):.0f} ms" for name in timed
    )
    # How fast Lighthouse found the machine: below 1000, its throttling makes it slower than a phone
    # (https://github.com/GoogleChrome/lighthouse/blob/main/docs/throttling.md).
    quick = median(one["environment"]["benchmarkIndex"] for one in reports)
    return f"{said} ({times}, machine {quick:.0f}){f'; failed: {sorted(failed)}' if failed else ''}"


def main() -> None:
    """Measure each page on mobile and on desktop."""
    paths = sys.argv[1:] or ["/", "/login"]
    script = _installed()
    with tempfile.TemporaryDirectory() as name:
        server = postgres.start(Path(name) / "postgres")
        try:
            with running_site(Path(name), server.url) as site:
                for path in paths:
                    for look, flags in _LOOKS.items():
                        reports = [_report(script, site.url + path, *flags) for _ in range(_RUNS)]
                        print(f"{path} on a {look}: {_line(reports)}", flush=True)  # noqa: T201
        finally:
            server.stop()


if __name__ == "__main__":
    main()
