"""The operator's commands, thin over services: `python -m onramp_app --help`."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

from onramp_app.config import ConfigurationError
from onramp_app.domain.errors import ApplicationError
from onramp_app.services.verification import verify_books
from onramp_app.worker import run_worker

commands = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@commands.callback()
def _main() -> None:
    """Run and look after the application."""


@commands.command("verify-ledger")
def verify_ledger(
    *,
    head: Annotated[
        str | None,
        typer.Option(help="A head printed by an earlier run: proves that nothing after it was cut off."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove the books: exit status 1 when anything is wrong. Keep the printed head outside the database."""
    try:
        verification = asyncio.run(verify_books(kept_head=head))
    except (ApplicationError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(asdict(verification)))
    else:
        for finding in verification.findings:
            typer.echo(f"{finding.rule}: {finding.subject}: {finding.detail}")
        typer.echo(f"{len(verification.findings)} findings. Head: {verification.head or 'none yet'}")
    if verification.findings:
        raise typer.Exit(1)


@commands.command("worker")
def worker() -> None:
    """Read the provider and apply what was read, without serving pages."""
    try:
        asyncio.run(run_worker())
    except (ApplicationError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    commands()
