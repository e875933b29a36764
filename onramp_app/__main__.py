"""Operator commands: `python -m onramp_app --help`. Thin over the services."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from onramp_app.config import DATA_DIR, ConfigurationError, Settings, get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import latest_revision
from onramp_app.db.migrate import migrate as migrate_database
from onramp_app.domain.accounts import Role
from onramp_app.domain.errors import ApplicationError
from onramp_app.domain.top_up import Action
from onramp_app.local.postgres import local_database
from onramp_app.logs import configure_logs
from onramp_app.services import accounts, provider, treasury_counts, webhook_address, webhook_events
from onramp_app.services.attribution import attribute
from onramp_app.services.checks import check_everything
from onramp_app.services.findings import Finding
from onramp_app.services.operators import Mandate
from onramp_app.services.review import decide
from onramp_app.services.review_list import OpenItem, open_items
from onramp_app.services.verification import verify_books

Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in one line: it is kept for good.")]
By = Annotated[str, typer.Option("--by", help="The operator's e-mail address or account.")]

app = typer.Typer(
    help="Operate the wallet.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
review = typer.Typer(help="Decide what waits for a person.", no_args_is_help=True)
webhooks = typer.Typer(help="Look at the stored webhooks.", no_args_is_help=True)
onramp = typer.Typer(help="Ask the provider about webhooks.", no_args_is_help=True)
app.add_typer(review, name="review")
app.add_typer(webhooks, name="webhooks")
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
    typer.echo(json.dumps(document, ensure_ascii=False, default=_told) if as_json else text)


def _told(moment: datetime | date) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _visible(text: str) -> str:
    """Return the text without characters that would move a terminal's cursor or hide what follows."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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


@app.command("verify-ledger")
def verify_ledger(
    head: Annotated[
        str | None, typer.Option(help="A head of an earlier run: proves that nothing before it was cut off.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove the books; exit status 1 when anything is wrong. Keep the printed head outside the database."""
    verification = _run(lambda: verify_books(kept_head=head))
    lines = [f"{told.rule}: {told.subject}: {told.detail}" for told in verification.findings]
    lines.append(f"{len(verification.findings)} findings. Head: {verification.head or 'none yet'}")
    _print(as_json, asdict(verification), "\n".join(lines))
    if verification.findings:
        raise typer.Exit(1)


@review.command("list")
def review_list(limit: Annotated[int, typer.Option(min=1, max=1000)] = 100, as_json: AsJson = False) -> None:
    """List what is open, oldest first."""
    found = _run(lambda: open_items(limit=limit))
    lines = [_open_line(item) for item in found.items]
    lines.append(f"{len(found.items)} of {found.total} open exceptions.")
    _print(as_json, asdict(found), "\n".join(lines))


def _open_line(item: OpenItem) -> str:
    amount = f"{item.amount} {item.asset}" if item.amount else "nothing booked"
    about = [f"top-up {item.top_up_id or '-'}", f"order {item.order_id or '-'}", amount, item.user or "-"]
    why = ": ".join(word for word in (item.reason, item.why) if word)
    return _visible(f"{_told(item.since)}  {item.kind}  {'  '.join(about)}  {why}")


def _decide(top_up: str, action: Action, mandate: Mandate, as_json: bool) -> None:
    done = _run(lambda: decide(top_up, action, mandate=mandate))
    amount = f", {done.amount} {done.asset}" if done.amount else ""
    _print(as_json, asdict(done), f"Top-up {done.top_up_id} is {done.status} now: {done.done}{amount}.")


@review.command("release")
def review_release(top_up: str, reason: Why, by: By, as_json: AsJson = False) -> None:
    """Let the user have what is held of a top-up."""
    _decide(top_up, Action.RELEASE, Mandate(by, reason), as_json)


@review.command("return")
def review_return(top_up: str, reason: Why, by: By, as_json: AsJson = False) -> None:
    """Agree to give back what is held of a top-up."""
    _decide(top_up, Action.RETURN, Mandate(by, reason), as_json)


@review.command("close")
def review_close(top_up: str, reason: Why, by: By, as_json: AsJson = False) -> None:
    """End a review in which nothing was booked: refunded by the provider, or never charged."""
    _decide(top_up, Action.CLOSE, Mandate(by, reason), as_json)


@review.command("reverse")
def review_reverse(
    top_up: str,
    reason: Why,
    by: By,
    undo: Annotated[bool, typer.Option("--undo", help="Undo a reversal instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back what was credited; what the user no longer has is owed."""
    _decide(top_up, Action.UNDO_REVERSE if undo else Action.REVERSE, Mandate(by, reason), as_json)


@review.command("attribute")
def review_attribute(order: str, email: str, reason: Why, by: By, as_json: AsJson = False) -> None:
    """Credit what arrived without an owner to a user, as a new top-up of theirs."""
    done = _run(lambda: attribute(order, email, mandate=Mandate(by, reason)))
    text = f"{done.amount} {done.asset} of order {done.order_id} are {done.email}'s: top-up {done.top_up_id}."
    _print(as_json, asdict(done), text)


@webhooks.command("list")
def webhooks_list(
    order: Annotated[str | None, typer.Option(help="Only those of one of the provider's orders.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=webhook_events.MAX_LISTED)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest stored webhooks."""
    events = _run(lambda: webhook_events.list_events(limit=limit, order_id=order))
    lines = [
        f"{event.id}  {_told(event.received_at)}  {event.flow or '-'} {event.order_id or '-'}"
        f"  {'handled' if event.handled_at else 'waiting'}"
        f"{', old' if event.is_old else ''}{', body differs' if event.differs else ''}"
        f"{f', replayed {event.replays} times' if event.replays else ''}"
        for event in events
    ]
    _print(as_json, {"items": [asdict(event) for event in events]}, _visible_lines(lines))


@webhooks.command("show")
def webhooks_show(event: int, as_json: AsJson = False) -> None:
    """Show one webhook with its signed header decoded. It may hold personal data."""
    found = _run(lambda: webhook_events.show_event(event))
    document = {**asdict(found.line), **{k: v for k, v in asdict(found).items() if k != "line"}}
    told = {key: _told(value) if isinstance(value, datetime) else value for key, value in document.items()}
    _print(as_json, document, _visible_lines([f"{key}: {value}" for key, value in told.items()]))


@webhooks.command("replay")
def webhooks_replay(event: int, as_json: AsJson = False) -> None:
    """Have the order of a webhook read again. Safe to repeat: what the read tells decides."""
    done = _run(lambda: webhook_events.replay_event(event))
    _print(as_json, asdict(done), f"Order {done.order_id} ({done.flow}) will be read again.")


def _visible_lines(lines: list[str]) -> str:
    return "\n".join(_visible(line) for line in lines)


@app.command()
def reconcile(
    treasury: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Counted balances, as JSON or CSV.")
    ],
    post: Annotated[bool, typer.Option("--post", help="Book the differences; needs --reason, --by.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, in one line: it is kept for good.")] = None,
    by: Annotated[str | None, typer.Option(help="The operator's e-mail address or account.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the books with what was counted; exit status 1 while they differ."""
    if post and (reason is None or by is None):
        _fail("Give --reason and --by with --post.")
    mandate = Mandate(by, reason) if post and by is not None and reason is not None else None
    content = _read(treasury, most=treasury_counts.MAX_FILE_BYTES)

    async def compare() -> treasury_counts.TreasuryReport:
        return await treasury_counts.compare(treasury_counts.read_counts(content), mandate=mandate)

    report = _run(compare)
    lines = [
        f"{one.account}  {one.on}  book {one.book}  counted {one.counted}  missing {one.missing}"
        f"{'  booked now' if one.reference else ''}"
        for one in report.compared
    ]
    lines += [f"{name}  not counted" for name in report.not_counted]
    _print(as_json, {"ok": report.is_even, **asdict(report)}, _visible_lines(lines))
    if not report.is_even:
        raise typer.Exit(1)


def _read(path: Path, *, most: int) -> bytes:
    """Return the content, one byte more than `most` at the utmost: too large is for the reader to say."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        _fail(f"The file cannot be read: {error.strerror}.")


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
