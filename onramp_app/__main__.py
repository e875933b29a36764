"""The operator's commands, thin over services: `python -m onramp_app --help`."""

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.domain.errors import ApplicationError
from onramp_app.logs import configure_logs
from onramp_app.services.reconciling import reconcile_period
from onramp_app.services.verification import verify_books
from onramp_app.worker import run_worker

# What `--since` takes; a time without an offset is UTC.
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]

commands = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@commands.callback()
def _main() -> None:
    """Run and look after the application."""
    # Logs go to standard error, so that what a command prints can be read by a program. A setting that
    # cannot be used is told by the command that needs it.
    with suppress(ConfigurationError):
        settings = get_settings()
        style = settings.log_format or ("json" if settings.is_production else "console")
        configure_logs(level=settings.log_level, style=style)


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


@commands.command("reconcile")
def reconcile(
    *,
    since: Annotated[
        datetime, typer.Option(formats=_TIMES, help="From here on: 2026-03-01 or RFC 3339, UTC.")
    ],
    until: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Up to here (now).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a period from the provider again, apply it, and show where provider and ledger differ."""
    try:
        found = asyncio.run(reconcile_period(since=_in_utc(since), until=until and _in_utc(until)))
    except (ApplicationError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str))
    else:
        for drift in found.drifts:
            sides = f"provider: {drift.provider_says}; ledger: {drift.ledger_says}"
            typer.echo(f"{drift.order_id}: {drift.what} ({sides})")
        typer.echo(
            f"{found.provider_orders} orders at the provider, {found.our_orders} here, {found.booked_orders}"
            f" booked; {found.changed_by_reading} changed by reading, {len(found.drifts)} differ."
        )
    if found.drifts:
        raise typer.Exit(1)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


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
