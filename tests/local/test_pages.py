"""Built pages: what they depend on, when a start accepts them, and which files of older builds are kept."""

from pathlib import Path

import pytest
import reflex_base

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.local import pages
from onramp_app.local.building import keep_files, remove_outdated, settings_for_pages
from onramp_app.local.pages import CLIENT, Made, build_of, builds, made_of, shown_settings, why_missing
from onramp_app.local.processes import StartFailed
from onramp_app.local.start import shipped_pages
from tests.built_pages import settings_of, written

STATE_JS = Path(reflex_base.__file__).parent / ".templates" / "web" / "utils" / "state.js"
PRODUCTION = {"APP_ENV": "production", "SUPPORT_EMAIL": "help@mycompany.io"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with each kind of file that pages depend on, and some that they do not."""
    for name in (
        *("onramp_app/web/page.py", "onramp_app/locale/hi/messages.po", "assets/theme.css", "rxconfig.py"),
        *(
            "reflex.lock/package.json",
            "onramp_app/simulator/pages/page.py",
            "docs/api.md",
            "assets/external/x",
        ),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *("onramp_app/web/page.py", "onramp_app/web/another.py", "onramp_app/locale/hi/messages.po"),
        *("assets/theme.css", "assets/fonts/new.woff2", "reflex.lock/package.json", "rxconfig.py"),
    ],
)
def test_pages_of_other_code_are_other_pages(project: Path, name: str) -> None:
    before = made_of(get_settings(), project)
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("changed")
    assert made_of(get_settings(), project).name != before.name


@pytest.mark.parametrize(
    "name",
    ["docs/api.md", "onramp_app/simulator/pages/page.py", "assets/external/x", ".data/x.py", "tests/x.py"],
)
def test_what_no_page_shows_changes_none(project: Path, name: str) -> None:
    before = made_of(get_settings(), project)
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("changed")
    assert made_of(get_settings(), project) == before


def test_where_npm_found_a_package_does_not_matter_and_what_it_found_does(project: Path) -> None:
    lock = project / "reflex.lock" / "package-lock.json"
    lock.write_text('{"packages": {"node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"}}}')
    before = made_of(get_settings(), project)
    found = '"version": "1.0.0", "resolved": "https://registry.my-company.in/a", "integrity": "sha512-a"'
    lock.write_text(f'{{"packages": {{"node_modules/a": {{{found}}}}}}}')
    assert made_of(get_settings(), project) == before
    lock.write_text('{"packages": {"node_modules/a": {"version": "1.0.0", "integrity": "sha512-b"}}}')
    assert made_of(get_settings(), project).code != before.code


@pytest.mark.parametrize(
    ("name", "value", "is_shown"),
    [
        ("APP_NAME", "Purse", True),
        ("PROVIDER_NAME", "Orderly", True),
        ("ASSETS", '{"USDT": ["matic20"]}', True),
        ("SUPPORT_EMAIL", "help@purse.io", True),
        ("TERMS_URL", "https://purse.io/terms", True),
        ("PRIVACY_URL", "https://purse.io/privacy", True),
        ("PUBLIC_URL", "https://purse.io", True),
        ("PUBLIC_URL", "http://localhost:4000", False),
        ("APP_ENV", "test", False),
        ("PORT", "4000", False),
        ("DATABASE_URL", "postgresql://wallet@db/wallet", False),
        ("LOG_LEVEL", "debug", False),
    ],
)
def test_pages_belong_to_the_settings_that_they_show(
    project: Path, name: str, value: str, *, is_shown: bool
) -> None:
    before, after = made_of(settings_of(), project), made_of(settings_of(**{name: value}), project)
    assert (before.name != after.name) == is_shown
    if is_shown:
        written(project / ".pages", before, {})
        assert why_missing(after, project / ".pages").endswith(f"were built with another {name}.")


def test_a_start_takes_the_pages_of_its_own_code(project: Path) -> None:
    wanted = made_of(get_settings(), project)
    others = written(project / ".pages", Made("0" * 64, wanted.settings), {})
    assert build_of(wanted, project / ".pages") is None
    assert why_missing(wanted, project / ".pages") == (
        f"The pages in {project / '.pages'} were built of other code."
    )

    there = written(project / ".pages", wanted, {})
    assert build_of(wanted, project / ".pages") == there
    assert builds(project / ".pages") == [there, others]


def test_half_a_build_is_none(project: Path) -> None:
    build = written(project / ".pages", made_of(get_settings(), project), {"index.html": ""})
    for content in ("", "{}", "[]", '{"made": {"code": "x"}, "files": []}', '{"made": 1, "files": []}'):
        (build.place / "made-of.json").write_text(content)
        assert builds(project / ".pages") == []
    (build.place / "made-of.json").unlink()
    assert why_missing(build.made, project / ".pages") == f"There are no built pages in {project / '.pages'}."


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reflex's development folder, with its packages and fully compiled older pages."""
    monkeypatch.setenv(pages._BEGUN_WITH, "")
    web = tmp_path / ".web"
    (web / "node_modules").mkdir(parents=True)
    pages.reuse_compiled(web, OLD)
    pages.note_compiled(web, lambda: OLD)
    return web


OLD, NEW = Made("0" * 64, {}), Made("1" * 64, {})


def test_a_start_of_the_same_code_does_not_compile_again(web: Path) -> None:
    pages.reuse_compiled(web, OLD)
    assert (web / "nocompile").exists()


def test_a_start_of_other_code_compiles(web: Path) -> None:
    (web / "nocompile").touch()  # left by a start that failed immediately
    pages.reuse_compiled(web, NEW)
    assert not (web / "nocompile").exists()
    pages.note_compiled(web, lambda: NEW)
    pages.reuse_compiled(web, OLD)
    assert not (web / "nocompile").exists()


def test_a_start_compiles_after_a_compilation_that_did_not_end(web: Path) -> None:
    pages.forget_compiled(web)
    pages.reuse_compiled(web, OLD)
    assert not (web / "nocompile").exists()


def test_a_start_without_its_packages_compiles(web: Path) -> None:
    (web / "node_modules").rmdir()
    pages.reuse_compiled(web, OLD)
    assert not (web / "nocompile").exists()


def test_what_was_changed_while_reflex_compiled_is_not_noted(web: Path) -> None:
    pages.forget_compiled(web)
    pages.note_compiled(web, lambda: NEW)
    pages.reuse_compiled(web, NEW)
    assert not (web / "nocompile").exists()


def test_without_node_a_start_says_what_is_there_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        StartFailed, match=r"^There are no built pages in \S+\. Node is needed .* and is not here"
    ):
        shipped_pages(get_settings(), tmp_path)
    written(tmp_path, Made("0" * 64, shown_settings(get_settings())), {})
    with pytest.raises(StartFailed, match=r"^The pages in \S+ were built of other code\. Node is needed"):
        shipped_pages(get_settings(), tmp_path)


def test_a_start_that_may_not_build_names_the_command_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.touch(0o600)  # a file cannot hold other files, not even for root
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(
        StartFailed, match=r"^There are no .* HOME names .* Or run `python -m onramp_app build`"
    ):
        shipped_pages(get_settings(), tmp_path / "pages")


def test_files_of_the_release_before_stay_and_those_of_two_before_do_not(tmp_path: Path) -> None:
    made = [Made(code * 64, {}) for code in "123"]
    first = written(tmp_path, made[0], {"assets/home-aaaaaaaa.js": "1", "index.html": "1"})
    second = written(tmp_path, made[1], {"assets/home-bbbbbbbb.js": "2", "index.html": "2"})
    keep_files([first], second)
    third = written(tmp_path, made[2], {"assets/home-cccccccc.js": "3", "index.html": "3"})
    keep_files([second, first], third)
    remove_outdated(tmp_path)

    served = {path.name: path.read_text() for path in (third.place / CLIENT).rglob("*") if path.is_file()}
    assert served == {"home-bbbbbbbb.js": "2", "home-cccccccc.js": "3", "index.html": "3"}
    assert builds(tmp_path) == [third, second]


def test_a_build_for_production_needs_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    settings, made_up = settings_for_pages()
    assert shown_settings(settings) | {"APP_ENV": "real money", "PUBLIC_URL": "a host"} == shown_settings(
        settings
    )
    assert made_up.keys().isdisjoint(shown_settings(settings).keys() - {"PUBLIC_URL"})

    monkeypatch.setenv("ASSETS", '{"USDT": ["erc20"]}')
    assert shown_settings(settings_for_pages()[0])["ASSETS"] == "USDT"
    monkeypatch.setenv("ASSETS", '["USDT"]')
    with pytest.raises(ConfigurationError, match=r"^ASSETS cannot be used"):
        settings_for_pages()
    monkeypatch.delenv("ASSETS")

    monkeypatch.delenv("SUPPORT_EMAIL")
    with pytest.raises(ConfigurationError, match=r"^SUPPORT_EMAIL is not set"):
        settings_for_pages()


def test_reflex_is_told_neither_time_nor_port() -> None:
    ours = pages.without_time_and_port(STATE_JS.read_text())
    assert "reflex.json" in STATE_JS.read_text()
    assert "reflex.json" not in ours
    assert pages.without_time_and_port(ours) == ours
    with pytest.raises(AssertionError, match="no longer holds"):
        pages.without_time_and_port("another")
