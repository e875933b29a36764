"""Operator commands: `python -m onramp_app --help`. Thin over the services."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from onramp_app.config import DATA_DIR, ConfigurationError, Settings, get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import latest_revision
from onramp_app.db.migrate import migrate as migrate_database
from onramp_app.domain.accounts import Role
from onramp_app.domain.errors import ApplicationError
from onramp_app.local.postgres import local_database
from onramp_app.logs import configure_logs
from onramp_app.services import accounts, provider, webhook_address
from onramp_app.services.checks import check_everything
from onramp_app.services.findings import Finding

Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help="Operate the wallet.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

onramp = typer.Typer(help="Ask the provider about webhooks.", no_args_is_help=True)
app.add_typer(onramp, name="onramp")


@app.callback()
def _prepare() -> None:
    configure_logs(level="warning", style="console")  # to standard error; the output is the answer


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


@contextmanager
def _database() -> Iterator[Settings]:
    """Give the settings with a database: the configured one, or in development the folder's own.

    The folder's is attached to while the application runs, and otherwise started for this command.
    """
    try:
        settings = get_settings()
        if settings.database_url is not None or settings.is_production:
            yield settings
            return
        with local_database(DATA_DIR) as url:
            os.environ["DATABASE_URL"] = url
            get_settings.cache_clear()
            yield get_settings()
    except ConfigurationError as error:
        _fail(str(error))


def _run(use_case: Callable[[], Awaitable[Result]]) -> Result:
    """Run one use case; end with its plain reason when it is refused."""

    async def run() -> Result:
        try:
            return await use_case()
        finally:
            await engine.dispose()

    with _refusals(), _database():
        return asyncio.run(run())


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ApplicationError as error:
        fields = "".join(f"\n  {field.field}: {field.message}" for field in error.errors)
        _fail(f"{error.detail}{fields}")
    except ConfigurationError as error:
        _fail(str(error))


def _ask_provider(use_case: Callable[[], Awaitable[Result]]) -> Result:
    """Run one use case that needs the provider and no database."""

    async def run() -> Result:
        try:
            return await use_case()
        finally:
            await provider.disconnect()

    with _refusals():
        return asyncio.run(run())


def _print(as_json: bool, document: dict[str, Any], text: str) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else text)


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database's schema up to date."""
    try:
        with _database() as settings:
            url = settings.database_owner_url or settings.database_url
            assert url is not None  # noqa: S101 - `_database` gave one, or ended the command
            migrate_database(url.get_secret_value())
    except SQLAlchemyError as error:
        _fail(f"The database refuses: {str(getattr(error, 'orig', error)).splitlines()[0]}")
    revision = latest_revision()
    _print(as_json, {"revision": revision}, f"The schema is at {revision}, the newest.")


@app.command("create-user")
def create_user(
    email: str,
    display_name: Annotated[str | None, typer.Option()] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 alpha-2, such as IN.")] = None,
    role: Annotated[Role, typer.Option()] = Role.USER,
    as_json: AsJson = False,
) -> None:
    """Open an account. The password is asked for, or read from standard input when that is not a terminal."""
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    registration = accounts.Registration(email, password, display_name=display_name, country=country)
    user_id = _run(lambda: accounts.create_user(registration, role=role))
    _print(as_json, {"id": user_id, "role": role}, f"Opened account {user_id} as {role}.")


@app.command("grant-role")
def grant_role(email: str, role: Role, as_json: AsJson = False) -> None:
    """Give an account a role, effective with its next request."""
    user_id = _run(lambda: accounts.grant_role(email, role))
    _print(as_json, {"id": user_id, "role": role}, f"Account {user_id} is now {role}.")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say what is wrong with the configuration and its connections, in plain words."""
    try:
        settings = get_settings()
    except ConfigurationError as error:
        findings = [Finding("configuration", is_well=False, detail=str(error))]
    else:
        findings = [Finding("configuration", is_well=True, detail=f"Usable, for {settings.app_env}.")]
        findings += _run(lambda: check_everything(get_settings()))
    is_well = all(finding.is_well for finding in findings)
    document = {
        "ok": is_well,
        "checks": [{"name": f.name, "ok": f.is_well, "detail": f.detail} for f in findings],
    }
    lines = [f"{'ok  ' if f.is_well else 'FAIL'}  {f.name}: {f.detail}" for f in findings]
    _print(as_json, document, "\n".join(lines))
    if not is_well:
        raise typer.Exit(1)


@app.command()
def simulator(
    port: Annotated[int, typer.Option()] = 8001, host: Annotated[str, typer.Option()] = "127.0.0.1"
) -> None:
    """Run the provider's simulator alone; `reflex run` starts one by itself outside production."""
    # A process of its own: the simulator and the application import nothing from each other.
    command = [sys.executable, "-m", "onramp_app.simulator", "--port", str(port), "--host", host]
    DATA_DIR.mkdir(exist_ok=True)
    os.execv(sys.executable, [*command, "--database", str(DATA_DIR / "simulator.sqlite")])  # noqa: S606


@onramp.command("set-webhook")
def set_webhook(
    url: Annotated[str | None, typer.Argument(help="Left out: our own address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have the provider send its webhooks to an address; it keeps one for each account."""
    registered = _ask_provider(lambda: webhook_address.register(url))
    _print(as_json, {"webhook_url": registered}, f"Webhooks go to {registered}.")


@onramp.command("send-dummy")
def send_dummy(
    url: Annotated[str | None, typer.Argument(help="Left out: the registered address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have the provider send an example, to see that it arrives and is verified. It credits nothing."""
    _ask_provider(lambda: webhook_address.send_dummy(url))
    _print(as_json, {"sent": True}, "The provider is sending its example.")


@onramp.command()
def resend(order_id: str, as_json: AsJson = False) -> None:
    """Have the provider send the webhook of a completed order again. It is credited once all the same."""
    _ask_provider(lambda: webhook_address.resend(order_id))
    _print(as_json, {"order_id": order_id}, f"The provider is sending the webhook of order {order_id} again.")


if __name__ == "__main__":
    app(prog_name="python -m onramp_app")
