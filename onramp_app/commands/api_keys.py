"""`api-keys`: the keys by which the operator's own programs call the API."""

from dataclasses import asdict
from typing import Annotated

import typer

from onramp_app.commands.running import (
    NOT_UNDERSTOOD,
    AsJson,
    By,
    Code,
    Confirm,
    Why,
    answer,
    decide,
    mandate,
    refusals,
    run,
    time_text,
    visible_lines,
)
from onramp_app.programs import issuing
from onramp_app.programs.powers import Changes, Powers, clean_name, networks_of, scopes_of, span_of
from onramp_app.programs.views import KeyView, NewKey
from onramp_app.programs.words import DEFAULT_REQUESTS_PER_MINUTE

app = typer.Typer(help="Keys of programs.", no_args_is_help=True)

_SCOPES = "What the key is for: some of users, balances, debits, links, webhooks, with commas."
_NETWORKS = "From where it works: addresses and networks, with commas. Left out: from anywhere."
_PER_MINUTE = "Requests a minute of all keys of the program together."


@app.command("create")
def api_keys_create(
    name: str,
    scopes: Annotated[str, typer.Option("--scopes", help=_SCOPES)],
    reason: Why,
    by: By,
    networks: Annotated[str, typer.Option("--networks", help=_NETWORKS)] = "",
    per_minute: Annotated[int, typer.Option("--per-minute", help=_PER_MINUTE)] = DEFAULT_REQUESTS_PER_MINUTE,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Make a program and its first key. The key is shown once."""
    with refusals(status=NOT_UNDERSTOOD):
        name, powers = clean_name(name), Powers(scopes_of(scopes), networks_of(networks), per_minute)
    who = mandate(by, reason, code=code, confirm=confirm)
    _show(decide(lambda: issuing.create(name, powers, mandate=who), as_json=as_json), as_json=as_json)


@app.command("rotate")
def api_keys_rotate(
    name: str,
    reason: Why,
    by: By,
    keep_old: Annotated[
        str, typer.Option("--keep-old", help="How long the old key still works: 0, 90m, 24h, 7d.")
    ] = "24h",
    scopes: Annotated[str | None, typer.Option("--scopes", help=f"{_SCOPES} Left out: as before.")] = None,
    networks: Annotated[
        str | None, typer.Option("--networks", help='As with create; "" for anywhere. Left out: as before.')
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", help=f"{_PER_MINUTE} Left out: as before.")
    ] = None,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Give a program a new key, which is shown once. It stays the same program."""
    with refusals(status=NOT_UNDERSTOOD):
        span = span_of(keep_old)
        changes = Changes(
            None if scopes is None else scopes_of(scopes),
            None if networks is None else networks_of(networks),
            per_minute,
        )
    who = mandate(by, reason, code=code, confirm=confirm)
    made = decide(
        lambda: issuing.rotate(
            name,
            keep_old=span,
            changes=changes,
            mandate=who,
        ),
        as_json=as_json,
    )
    _show(made, as_json=as_json)


def _show(made: NewKey, *, as_json: bool) -> None:
    text = f"Key {made.key_id} of {made.name}, program {made.program_id}. It is shown this once:\n{made.key}"
    answer(as_json, asdict(made), text)


@app.command("revoke")
def api_keys_revoke(
    which: Annotated[str, typer.Argument(help="A program's name, a key's id, or a key that was found.")],
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """End a key, or all keys of a program, at once."""
    who = mandate(by, reason, code=code, confirm=confirm)
    ended = decide(lambda: issuing.revoke(which, mandate=who), as_json=as_json)
    answer(as_json, {"revoked": ended}, "\n".join(f"Key {key_id} works no longer." for key_id in ended))


@app.command("list")
def api_keys_list(as_json: AsJson = False) -> None:
    """List programs with their keys, what each may do, and when it was last used."""
    found = run(issuing.listed)
    lines = []
    for program in found:
        lines.append(f"{program.name}  program {program.program_id}")
        lines += [f"  {_line(key)}" for key in program.keys]
    lines.append(f"{len(found)} programs.")
    answer(as_json, {"items": [asdict(one) for one in found]}, visible_lines(lines))


def _line(key: KeyView) -> str:
    state = "works" if key.ends_at is None else f"works until {time_text(key.ends_at)}"
    if not key.works:
        state = state.replace("works until", "ended")
    used = "never used"
    if key.last_used_at is not None:
        used = f"last used {time_text(key.last_used_at)} from {key.last_used_from}"
    where = f" from {','.join(key.networks)}" if key.networks else ""
    return f"{key.key_id}  {state}  {','.join(key.scopes)}{where}, {key.requests_per_minute} a minute, {used}"
