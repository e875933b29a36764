"""The import contract holds, and would notice when it does not."""

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def copy(project_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(project_dir / "onramp_app", tmp_path / "onramp_app")
    shutil.copy(project_dir / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_keeps_its_import_contract(project_dir: Path) -> None:
    result = _lint(project_dir)
    assert result.returncode == 0, result.stdout


def test_a_stray_package_breaks_the_contract(copy: Path) -> None:
    (copy / "onramp_app" / "utils").mkdir()
    (copy / "onramp_app" / "utils" / "__init__.py").touch()
    result = _lint(copy)
    assert result.returncode != 0
    assert "utils" in result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("domain/clock.py", "from onramp_app.accounts import accounts"),
        ("running/health.py", "import reflex"),
        ("web/home/page.py", "from onramp_app.db import engine"),
        ("providers/port.py", "from onramp_app.db import columns"),
        ("simulator/signing.py", "from onramp_app.config import get_settings"),
        ("providers/onramp/signing.py", "from onramp_app.simulator import signing"),
    ],
)
def test_an_import_in_the_wrong_direction_breaks_the_contract(copy: Path, module: str, line: str) -> None:
    path = copy / "onramp_app" / module
    path.write_text(path.read_text() + f"\n{line}\n")
    assert _lint(copy).returncode != 0


def test_package_files_stay_empty(project_dir: Path) -> None:
    filled = [p for p in (project_dir / "onramp_app").rglob("__init__.py") if p.read_text().strip()]
    assert filled == []


def test_exactly_one_distribution_provides_passlib() -> None:
    providers = [d.name for d in distributions() if any(f.parts[0] == "passlib" for f in d.files or ())]
    assert providers == ["libpass"]
