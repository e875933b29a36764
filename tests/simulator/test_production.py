"""The simulator cannot be used with real money."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_config import PRODUCTION

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", [["onramp_app.simulator"], ["onramp_app", "simulator"]], ids=" ".join)
@pytest.mark.parametrize(
    "change", [{}, pytest.param({"APP_ENV": "", "REPLIT_DEPLOYMENT": "1"}, marks=pytest.mark.full)]
)
def test_the_simulator_does_not_start_in_production(command, change):
    settings = {name.upper(): str(value) for name, value in PRODUCTION.items()} | change
    done = subprocess.run(
        [sys.executable, "-m", *command, "--port", "1"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("The simulator does not start ")
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
