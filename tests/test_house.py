"""The import contract holds, the architecture page matches the code, and both checks notice a change."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
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


WRONG_DIRECTIONS = [
    ("domain/clock.py", "from onramp_app.accounts import accounts"),
    ("running/health.py", "import reflex"),
    ("web/home/page.py", "from onramp_app.db import engine"),
    ("web/activity/filters.py", "from onramp_app.top_ups import tables"),
    ("api/wallet.py", "from onramp_app.ledger import posting"),
    ("wallet/home.py", "import fastapi"),
    ("web/home/state.py", "from onramp_app.web.activity import filters"),
    ("web/words/amounts.py", "from onramp_app.web.top_up import timeline"),
    ("providers/port.py", "from onramp_app.db import columns"),
    ("simulator/signing.py", "from onramp_app.config import get_settings"),
    ("providers/onramp/http/signing.py", "from onramp_app.simulator import signing"),
    ("pricing/rates.py", "from onramp_app.providers.onramp import maps"),
    ("web/home/cards.py", "from onramp_app.providers import port"),
    ("api/options.py", "from onramp_app.providers import connection"),
]


def test_an_import_in_the_wrong_direction_breaks_the_contract(copy: Path) -> None:
    planted = []
    for module, line in WRONG_DIRECTIONS:
        path = copy / "onramp_app" / module
        content = path.read_text()
        path.write_text(f"{content}\n{line}\n")
        importer = "onramp_app." + module.removesuffix(".py").replace("/", ".")
        planted.append(rf"{re.escape(importer)} -> \S+\s+\(l\.{content.count(chr(10)) + 2}\)")
    report = _lint(copy).stdout
    assert [one for one in planted if not re.search(one, report)] == [], report


def _drawn_layers(page: str) -> list[set[str]]:
    """Return the layers of the tree in the architecture page; sub-folders belong to their room's line."""
    tree = page.partition("```\nonramp_app/\n")[2].partition("```")[0]
    layers: list[set[str]] = []
    for line in tree.splitlines():
        names = re.split(r" {3,}", line.strip())[0]
        if line.startswith("    "):
            for name in names.split():
                folder, _, inner = name.partition("{")
                layers[-1] |= {f"{folder}{one}".rstrip("/") for one in inner.rstrip("}/").split(",")}
        else:
            layers.append({name.strip().rstrip("/") for name in names.split("|")})
    return layers


def _drawn_wrongly(page: str, project: Path) -> list[str]:
    """Return where the drawn tree differs from the contract (which room is above which) and the folders."""
    layers = _drawn_layers(page)
    contracts = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    held = [set(layer.split(" | ")) for layer in contracts[0]["layers"]]
    drawn = [{name.removesuffix(".py") for name in layer if "/" not in name} for layer in layers]
    package = project / "onramp_app"
    rooms = {str(path.parent.relative_to(package)) for path in package.glob("*/*/__init__.py")}
    rooms = {room for room in rooms if not room.startswith("simulator/")}
    named = {name for layer in layers for name in layer if "/" in name and not name.endswith(".py")}
    return [
        *(f"{one} is drawn where {two} stands" for one, two in zip(drawn, held, strict=False) if one != two),
        *([] if len(drawn) == len(held) else ["not as many layers as the contract has"]),
        *(f"{room} is missing or too much" for room in sorted(rooms ^ named)),
        *(f"{name} is no file" for layer in layers for name in layer if not (package / name).exists()),
    ]


def test_the_architecture_page_shows_the_rooms_that_there_are(project_dir: Path) -> None:
    page = (project_dir / "docs" / "architecture.md").read_text()
    assert _drawn_wrongly(page, project_dir) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| treasury/", "| treasuries/"),
        ("  running/ ", "  cleaning/ "),
        ("{home,add_money,", "{add_money,"),
        ("    providers/onramp/ ", "    providers/other/ "),
        ("  db/  ", "  domain/  "),
    ],
)
def test_a_tree_that_is_not_so_is_noticed(project_dir: Path, old: str, new: str) -> None:
    page = (project_dir / "docs" / "architecture.md").read_text()
    assert old in page
    assert _drawn_wrongly(page.replace(old, new, 1), project_dir) != []


def _meanings(module: str) -> list[str]:
    """Return the names that a module assigns more than once at its top level."""
    named: Counter[str] = Counter()
    for statement in ast.parse(module).body:
        match statement:
            case ast.Assign(targets=targets):
                named.update(
                    one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)
                )
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                named[name] += 1
    return [name for name, times in named.items() if times > 1]


def test_a_name_of_a_module_has_one_meaning(project_dir: Path) -> None:
    files = (project_dir / "onramp_app").rglob("*.py")
    assert [(file.name, names) for file in files if (names := _meanings(file.read_text()))] == []


def test_a_second_meaning_is_noticed() -> None:
    assert _meanings("DAY = 'short'\ndef day():\n    return DAY\nDAY = 'long'\n") == ["DAY"]


def _unknown_functions(page: str, package: Path) -> list[str]:
    """Return the steps of the walks, `room.module.function`, that name no function of the code."""
    walks = page.partition("## Three walks")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+){2,})`", walks)
    assert len(named) > 25
    return [name for name in named if not _is_defined(name.split("."), package)]


def _is_defined(parts: list[str], package: Path) -> bool:
    files = [package.joinpath(*parts[:n]).with_suffix(".py") for n in range(1, len(parts))]
    found = next(((n, file) for n, file in enumerate(files, start=1) if file.is_file()), None)
    if found is None:
        return False
    scope: ast.AST = ast.parse(found[1].read_text())
    for name in parts[found[0] :]:
        inner = [one for one in ast.iter_child_nodes(scope) if getattr(one, "name", None) == name]
        if not inner:
            return False
        scope = inner[0]
    return True


def test_the_walks_name_functions_that_there_are(project_dir: Path) -> None:
    page = (project_dir / "docs" / "architecture.md").read_text()
    assert _unknown_functions(page, project_dir / "onramp_app") == []


@pytest.mark.parametrize("old", ["Inbox.store", "ledger.posting", "load_context"])
def test_a_walk_over_what_is_gone_is_noticed(project_dir: Path, old: str) -> None:
    page = (project_dir / "docs" / "architecture.md").read_text()
    assert _unknown_functions(page.replace(old, f"{old}_no_more"), project_dir / "onramp_app") != []


def test_no_folder_holds_more_than_fourteen_files(project_dir: Path) -> None:
    folders = {path.parent for path in (project_dir / "onramp_app").rglob("*.py")}
    files = {folder: len(list(folder.glob("*.py"))) - 1 for folder in folders}  # __init__.py is empty
    assert {str(folder.relative_to(project_dir)): n for folder, n in files.items() if n > 14} == {}


def _proofs_that_are_gone(page: str, tests: Path) -> set[str]:
    """Return the tests, and the files and folders of tests, that a page names but that do not exist."""
    sources = [file.read_text() for file in tests.rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"def (test_\w+)", source)}
    files = {
        place for place in re.findall(r"\btests/[\w/]+(?:\.py)?", page) if not (tests.parent / place).exists()
    }
    return files | (set(re.findall(r"`(test_\w+)`", page)) - there)


def test_the_security_page_names_tests_that_there_are(project_dir: Path) -> None:
    page = (project_dir / "docs" / "security.md").read_text()
    assert _proofs_that_are_gone(page, project_dir / "tests") == set()
    planted = page + "`test_nobody_wrote_this` and `pytest tests/accounts/test_gone.py`"
    gone = _proofs_that_are_gone(planted, project_dir / "tests")
    assert gone == {"test_nobody_wrote_this", "tests/accounts/test_gone.py"}


def _rows_without_proof(page: str, project: Path) -> list[str]:
    """Return the rows of the provider findings that cite no test, or the cited tests that do not exist."""
    table = page.partition("## 5 ·")[2].partition("\n## ")[0]
    wrong = []
    for row in re.findall(r"^\| \d+ \|.*$", table, re.MULTILINE):
        proofs = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        gone = [
            f"{file}::{name}"
            for file, name in proofs
            if not (project / file).exists() or f"def {name}(" not in (project / file).read_text()
        ]
        wrong += gone or ([] if proofs else [row])
    return wrong


def test_each_fact_about_the_provider_names_a_test_that_there_is(project_dir: Path) -> None:
    page = (project_dir / "docs" / "onramp.md").read_text()
    assert _rows_without_proof(page, project_dir) == []
    assert len(re.findall(r"^\| \d+ \|", page.partition("## 5 ·")[2], re.MULTILINE)) == 19
    renamed = page.replace("::test_trials_end`", "::test_trials_never_end`")
    assert _rows_without_proof(renamed, project_dir) == [
        "tests/simulator/test_webhooks.py::test_trials_never_end"
    ]
    unproven = page.replace("`tests/simulator/test_webhooks.py::test_trials_end`", "")
    assert len(_rows_without_proof(unproven, project_dir)) == 1


# Folders that belong to no single room: they test the whole from outside.
_ACROSS = {"attack", "benchmarks", "chaos", "conformance", "e2e"}


def _folders(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/*.py")}


def test_the_tests_stand_as_the_house_does(project_dir: Path) -> None:
    tests, house = project_dir / "tests", project_dir / "onramp_app"
    assert _folders(tests) == _folders(house) | _ACROSS
    assert _folders(tests / "web") <= _folders(house / "web")


def test_package_files_stay_empty(project_dir: Path) -> None:
    filled = [p for p in (project_dir / "onramp_app").rglob("__init__.py") if p.read_text().strip()]
    assert filled == []


def test_exactly_one_distribution_provides_passlib() -> None:
    providers = [d.name for d in distributions() if any(f.parts[0] == "passlib" for f in d.files or ())]
    assert providers == ["libpass"]
