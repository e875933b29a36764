"""What all commands share: a database, running a use case to its end, an answer as text or JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from getpass import getpass
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer._click.exceptions import ClickException
from typer.core import TyperGroup

from onramp_app.commands.progress import shown_progress
from onramp_app.config import DATA_DIR, ConfigurationError, Settings, get_settings
from onramp_app.domain.errors import ApplicationError, DatabaseUnavailable, FieldError
from onramp_app.local.postgres import local_database
from onramp_app.local.reachable import why_unreachable
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.mandate import Mandate
from onramp_app.running.lifecycle import connections

Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in one line: it is kept for good.")]
By = Annotated[str, typer.Option("--by", help="The operator's email address or account.")]
Code = Annotated[
    str | None,
    typer.Option(
        "--code", help="The operator's one-time code of their profile page. Left out: asked for, or read."
    ),
]
Confirm = Annotated[
    str | None, typer.Option("--confirm", help="The proposal of another operator that this confirms.")
]
# For commands that change nothing unless an option asks for it.
MaybeWhy = Annotated[str | None, typer.Option("--reason", help="Why, in one line: it is kept for good.")]
MaybeBy = Annotated[str | None, typer.Option("--by", help="The operator's email address or account.")]
# Exit statuses; docs/operations.md has the table.
REFUSED = 1  # Also: what was looked at is not in order.
NOT_UNDERSTOOD = 2
WAITS = 3  # A decision waits for a second operator.
NOT_DONE = 4  # The settings cannot be used, or the database or the provider is away: nothing was looked at.
_UNAVAILABLE = 503

_wants_json: ContextVar[bool] = ContextVar("wants_json", default=False)


class Commands(TyperGroup):
    """The commands. With `--json`, what they refuse or do not understand is a document too."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that the arguments name, and exit with its status."""
        given = list(sys.argv[1:] if args is None else args)
        if "--json" not in given:
            return super().main(given, prog_name, complete_var, standalone_mode, windows_expand_args, **extra)
        before = _wants_json.set(True)
        try:
            status = super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        except ClickException as error:
            _print_refusal("not_understood", error.format_message())
            status = error.exit_code
        except typer.Abort:
            _print_refusal("aborted", "The command was ended before it was done.")
            status = REFUSED
        finally:
            _wants_json.reset(before)
        sys.exit(status if isinstance(status, int) else 0)


def fail(
    message: str, *, status: int = REFUSED, code: str = "refused", errors: Sequence[FieldError] = ()
) -> NoReturn:
    """Say why nothing was done, and exit.

    The reason goes to standard error, or with `--json` as a document to standard output.
    """
    if _wants_json.get():
        _print_refusal(code, message, errors)
    else:
        typer.echo("\n".join([message, *(f"  {one.field}: {one.message}" for one in errors)]), err=True)
    raise typer.Exit(status)


def _print_refusal(code: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
    fields = [{"field": one.field, "message": one.message} for one in errors]
    document = {"ok": False, "code": code, "detail": detail, "errors": fields}
    typer.echo(json.dumps(document, ensure_ascii=False))


@contextmanager
def refusals(*, status: int = REFUSED) -> Iterator[None]:
    """Exit with the plain reason where the body is refused, or cannot be carried out.

    Args:
        status: the exit status of a refusal.
    """
    try:
        yield
    except DatabaseUnavailable as error:
        fail(why_unreachable(get_settings()) or error.detail, status=NOT_DONE, code=error.code)
    except ApplicationError as error:
        is_away = error.status == _UNAVAILABLE
        fail(error.detail, status=NOT_DONE if is_away else status, code=error.code, errors=error.errors)
    except ConfigurationError as error:
        fail(str(error), status=NOT_DONE, code="configuration_unusable")


@contextmanager
def database() -> Iterator[Settings]:
    """Yield the settings with a database: the configured one, or in development the embedded one.

    The embedded one is shared with a running application, and otherwise started for this command.
    """
    settings = get_settings()
    if settings.database_url is not None or settings.is_production:
        yield settings
        return
    with local_database(DATA_DIR) as url:
        os.environ["DATABASE_URL"] = url
        get_settings.cache_clear()
        yield get_settings()


def run(use_case: Callable[[], Awaitable[Result]], *, refused: int = REFUSED) -> Result:
    """Run one use case on the database and return the result. Exits with the plain reason of a refusal.

    Args:
        use_case: what to do.
        refused: the exit status of a refusal.
    """
    with refusals(status=refused), database(), shown_progress():
        return asyncio.run(_to_its_end(use_case))


def ask_provider(use_case: Callable[[], Awaitable[Result]]) -> Result:
    """Run one use case that needs no database, as `run` does."""
    with refusals():
        return asyncio.run(_to_its_end(use_case))


def mandate(by: str, reason: str, *, code: str | None, confirm: str | None) -> Mandate:
    """Return the operator's mandate. Without `code` the code is prompted for, or read from standard input.

    The prompt is for shared machines: other users see the arguments of a command while it runs.
    """
    if code is None:
        code = getpass("One-time code: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not code:
        fail("Give --code: the one-time code that the operator makes on the profile page of the wallet.")
    return Mandate(by, reason, code, confirms=confirm)


def decide(use_case: Callable[[], Awaitable[Result]], *, as_json: bool) -> Result:
    """Run an operator's decision as `run` does. Where it waits for a second operator, exits with status 3."""
    try:
        return run(use_case)
    except SecondOperatorNeeded as needed:
        document = {"done": False, "proposal": needed.proposal, "expires_at": needed.expires_at}
        text = (
            f"Nothing was done yet: another operator has to confirm it until {time_text(needed.expires_at)},"
            f" by the same command with their own --by and --code, and --confirm {needed.proposal}"
        )
        answer(as_json, document, text)
        raise typer.Exit(WAITS) from None


async def _to_its_end(use_case: Callable[[], Awaitable[Result]]) -> Result:
    async with connections():
        return await use_case()


def answer(as_json: bool, document: dict[str, Any], text: str) -> None:
    """Print the document as JSON, or the text."""
    typer.echo(json.dumps(document, ensure_ascii=False, default=time_text) if as_json else text)


def time_text(moment: datetime | date) -> str:
    """Return a moment as RFC 3339 in UTC, or a date."""
    return moment.isoformat().replace("+00:00", "Z")


def visible(text: str) -> str:
    """Return the text with unprintable characters escaped, which can move the cursor or hide text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_lines(lines: list[str]) -> str:
    """Return the lines joined, each as `visible` returns it."""
    return "\n".join(visible(line) for line in lines)
