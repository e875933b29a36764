"""What all commands share: a database, running a use case to its end, an answer as text or JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from getpass import getpass
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from onramp_app.commands.progress import shown_progress
from onramp_app.config import DATA_DIR, ConfigurationError, Settings, get_settings
from onramp_app.domain.errors import ApplicationError
from onramp_app.local.postgres import local_database
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.mandate import Mandate
from onramp_app.running.lifecycle import connections

Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in one line: it is kept for good.")]
By = Annotated[str, typer.Option("--by", help="The operator's e-mail address or account.")]
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
MaybeBy = Annotated[str | None, typer.Option("--by", help="The operator's e-mail address or account.")]
WAITS = 3  # The exit status of a decision that waits for a second operator.


def fail(message: str) -> NoReturn:
    """Print the message on standard error and exit with status 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


@contextmanager
def refusals() -> Iterator[None]:
    """Exit with the plain reason where the body is refused or the configuration is unusable."""
    try:
        yield
    except ApplicationError as error:
        fields = "".join(f"\n  {field.field}: {field.message}" for field in error.errors)
        fail(f"{error.detail}{fields}")
    except ConfigurationError as error:
        fail(str(error))


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


def run(use_case: Callable[[], Awaitable[Result]]) -> Result:
    """Run one use case on the database and return the result. Exits with the plain reason of a refusal."""
    with refusals(), database(), shown_progress():
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
