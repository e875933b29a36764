"""Commands that set up and run an installation: schema, accounts, checks, other processes."""

import asyncio
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from onramp_app.accounts import accounts
from onramp_app.accounts.words import Role
from onramp_app.commands.progress import shown_progress
from onramp_app.commands.running import (
    AsJson,
    Code,
    Confirm,
    MaybeBy,
    MaybeWhy,
    answer,
    database,
    decide,
    fail,
    mandate,
    refusals,
    run,
)
from onramp_app.config import DATA_DIR, ConfigurationError, get_settings
from onramp_app.db.migrate import bring_up_to_date, latest_revision
from onramp_app.local.building import build_pages
from onramp_app.local.pages import PAGES_DIR, builds
from onramp_app.logs import configure_logs
from onramp_app.operators import roles
from onramp_app.running import loops
from onramp_app.running.checks import check_everything
from onramp_app.running.lifecycle import run_worker
from onramp_app.running.parts import CheckedPart


def migrate(as_json: AsJson = False) -> None:
    """Bring the database's schema up to date."""
    with refusals(), database() as settings, shown_progress():
        revision = asyncio.run(bring_up_to_date(settings))
    which = "the newest" if revision == latest_revision() else "which a newer release has made"
    answer(as_json, {"revision": revision}, f"The schema is at {revision}, {which}.")


def build(
    to: Annotated[Path, typer.Option(help="The folder of the builds.")] = PAGES_DIR,
    previous: Annotated[
        Path | None,
        typer.Option(
            help="Such a folder of the release before, where that is another: its files stay served."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the pages, once: ship the folder with the code, and no start needs Node.

    It needs the settings that the pages show, in production APP_ENV and SUPPORT_EMAIL at least; no secret.
    """
    if previous is not None and not builds(previous):
        fail(f"There are no built pages in {previous}.")
    with refusals():
        made, is_new = build_pages(to.resolve(), previous=previous)
    words = "The pages are built" if is_new else "The pages were built before"
    answer(as_json, {"pages": str(made.place), "built": is_new}, f"{words}: {made.place}")


def create_user(
    email: str,
    display_name: Annotated[str | None, typer.Option()] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 alpha-2, such as IN.")] = None,
    as_json: AsJson = False,
) -> None:
    """Open an account. Prompts for the password; without a terminal, reads it from standard input."""
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    registration = accounts.Registration(email, password, display_name=display_name, country=country)
    user_id = run(lambda: accounts.create_user(registration))
    answer(as_json, {"id": user_id, "role": Role.USER}, f"Opened account {user_id}.")


def grant_role(
    email: str,
    role: Role,
    by: MaybeBy = None,
    code: Code = None,
    reason: MaybeWhy = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Give an account a role. Signs the account out everywhere; the role counts from the next sign-in.

    Only admins grant roles, with --by and --code. As long as there is no admin, neither is needed.
    """
    who = by and mandate(by, reason or f"grant {role}", code=code, confirm=confirm)
    user_id = decide(lambda: roles.grant_role(email, role, mandate=who or None), as_json=as_json)
    answer(as_json, {"id": user_id, "role": role}, f"Account {user_id} is now {role}.")


def check(as_json: AsJson = False) -> None:
    """Say what is wrong with the configuration and its connections, in plain words."""
    try:
        settings = get_settings()
    except ConfigurationError as error:
        parts = [CheckedPart("configuration", is_well=False, detail=str(error))]
    else:
        parts = [CheckedPart("configuration", is_well=True, detail=f"Usable, for {settings.app_env}.")]
        parts += run(lambda: check_everything(get_settings()))
    is_well = all(part.is_well for part in parts)
    document = {
        "ok": is_well,
        "checks": [{"name": part.name, "ok": part.is_well, "detail": part.detail} for part in parts],
    }
    lines = [f"{'ok  ' if part.is_well else 'FAIL'}  {part.name}: {part.detail}" for part in parts]
    answer(as_json, document, "\n".join(lines))
    if not is_well:
        raise typer.Exit(1)


def worker() -> None:
    """Read the provider and apply what was read, without serving pages."""
    with refusals(), database() as settings:
        configure_logs(level=settings.log_level, style=settings.log_style)
        loops.run(run_worker())


def simulator(
    port: Annotated[int, typer.Option()] = 8001, host: Annotated[str, typer.Option()] = "127.0.0.1"
) -> None:
    """Run the provider's simulator alone. Outside production `reflex run` starts one, too."""
    with refusals():
        if get_settings().is_production:
            fail("The simulator does not start in production: nothing that it says is paid.")
    # A process of its own: the simulator and the application import nothing from each other.
    command = [sys.executable, "-m", "onramp_app.simulator", "--port", str(port), "--host", host]
    DATA_DIR.mkdir(exist_ok=True)
    os.execv(sys.executable, [*command, "--database", str(DATA_DIR / "simulator.sqlite")])  # noqa: S606  # nosec B606
