"""`verify-ledger` and `reconcile`: the books against their rules, the provider and what was counted."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from onramp_app.chain.balances import count_balances
from onramp_app.chain.servers import get_servers
from onramp_app.commands.running import (
    NOT_UNDERSTOOD,
    AsJson,
    Code,
    Confirm,
    MaybeBy,
    MaybeWhy,
    answer,
    decide,
    fail,
    mandate,
    run,
    time_text,
    visible_lines,
)
from onramp_app.crediting import reconciliation
from onramp_app.domain.clock import now
from onramp_app.ledger.verification import verify_books
from onramp_app.operators.mandate import Mandate
from onramp_app.providers.connection import get_provider
from onramp_app.treasury import counts

# What `--since` takes; a time without an offset is UTC.
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]


def verify_ledger(
    head: Annotated[
        str | None, typer.Option(help="A head of an earlier run: proves that nothing before it was cut off.")
    ] = None,
    heads: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A file of heads, as AUDIT_HEAD_TO makes it. Default: that one."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove the books. Exit status 1 when anything is wrong, and only then; 4 when they could not be read.

    Keep the printed head outside the database.
    """
    verification = run(lambda: verify_books(kept_head=head, heads=heads), refused=NOT_UNDERSTOOD)
    lines = [f"{finding.rule}: {finding.subject}: {finding.detail}" for finding in verification.findings]
    lines += verification.notes
    lines.append(f"{len(verification.findings)} findings. Head: {verification.head or 'none yet'}")
    answer(as_json, {"ok": not verification.findings, **asdict(verification)}, "\n".join(lines))
    if verification.findings:
        raise typer.Exit(1)


def reconcile(
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=_TIMES, help="Compare with the provider from here on: 2026-03-01 or RFC 3339, UTC."
        ),
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Up to here (now).")] = None,
    treasury: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Compare with counted balances, as JSON or CSV."),
    ] = None,
    from_chain: Annotated[
        bool,
        typer.Option("--from-chain", help="With --treasury and no file: count on the networks of CHAIN_RPC."),
    ] = False,
    post: Annotated[
        bool, typer.Option("--post", help="Book the counted differences; needs --reason, --by, --code.")
    ] = False,
    reason: MaybeWhy = None,
    by: MaybeBy = None,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Compare the books with the provider (--since) or with what was counted (--treasury).

    Exit status 1 while they differ.
    """
    if [since is not None, treasury is not None, from_chain].count(True) != 1:
        fail(
            "Give --since to compare with the provider, --treasury FILE to compare with what was counted, or"
            " --treasury --from-chain to have it counted."
        )
    if until is not None and since is None:
        raise typer.BadParameter("--until goes with --since.")
    if since is not None:
        _with_provider(*_period(since, until), as_json)
    else:
        who = None
        if post:
            if reason is None or by is None:
                fail("Give --reason, --by and --code with --post.")
            who = mandate(by, reason, code=code, confirm=confirm)
        _with_treasury(treasury, who, as_json)


class Reconcile(TyperCommand):
    """Lets `--treasury` go without a file where `--from-chain` counts."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave out a `--treasury` that no file follows."""
        if "--from-chain" in args:
            after = [*args[1:], "--"]
            args = [
                one
                for one, following in zip(args, after, strict=True)
                if one != "--treasury" or not following.startswith("--")
            ]
        return super().parse_args(ctx, args)


def _period(since: datetime, until: datetime | None) -> tuple[datetime, datetime]:
    """Return both in UTC, `until` being now where it is left out. Refuses a period without a moment in it."""
    begin, end = _in_utc(since), now() if until is None else _in_utc(until)
    if begin >= end:
        last = "now" if until is None else f"--until ({time_text(end)})"
        raise typer.BadParameter(f"The period is empty: --since ({time_text(begin)}) is not before {last}.")
    return begin, end


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _with_provider(since: datetime, until: datetime, as_json: bool) -> None:
    found = run(lambda: reconciliation.reconcile(get_provider(), since=since, until=until))
    lines = [
        f"{drift.order_id}: {drift.what} (provider: {drift.provider_says}; ledger: {drift.ledger_says})"
        for drift in found.drifts
    ]
    lines.append(
        f"{found.provider_orders} orders at the provider, {found.our_orders} here, {found.booked_orders}"
        f" booked; {found.changed_by_reading} changed by reading, {len(found.drifts)} differ."
    )
    answer(as_json, asdict(found), visible_lines(lines))
    if found.drifts:
        raise typer.Exit(1)


def _with_treasury(path: Path | None, who: Mandate | None, as_json: bool) -> None:
    content = None if path is None else _read(path, most=counts.MAX_FILE_BYTES)

    async def compare() -> counts.TreasuryReport:
        if content is None:
            counted = await count_balances(get_servers())
        else:
            counted = counts.read_counts(content)
        return await counts.compare(counted, mandate=who)

    report = decide(compare, as_json=as_json)
    lines = [
        f"{one.account}  {one.on}  book {one.book}  counted {one.counted}  missing {one.missing}"
        f"{'  booked now' if one.reference else ''}"
        for one in report.compared
    ]
    lines += [f"{name}  not counted" for name in report.not_counted]
    answer(as_json, {"ok": report.is_even, **asdict(report)}, visible_lines(lines))
    if not report.is_even:
        raise typer.Exit(1)


def _read(path: Path, *, most: int) -> bytes:
    """Return at most `most` + 1 bytes of the file, enough for `read_counts` to refuse a larger one."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        fail(f"The file cannot be read: {error.strerror}.")
