"""`kyc`: who waits for an operator, how one person stands, and what an operator decides about them."""

from dataclasses import asdict
from typing import Annotated

import typer

from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.commands.running import (
    AsJson,
    By,
    Code,
    Confirm,
    Why,
    answer,
    decide,
    mandate,
    run,
    time_text,
    visible_lines,
)
from onramp_app.verification.decisions import set_standing
from onramp_app.verification.machine import Standing
from onramp_app.verification.views import StepLine, show_person, waiting_people

app = typer.Typer(help="Verification of people.", no_args_is_help=True)


@app.command("list")
def kyc_list(as_json: AsJson = False) -> None:
    """List the people whose phone number the provider knew before: an operator has to decide about them."""
    found = run(waiting_people)
    lines = [f"{time_text(one.since)}  {one.email}  {one.user_id}  {one.customer_id}" for one in found]
    lines.append(f"{len(found)} wait for an operator.")
    answer(as_json, {"items": [asdict(one) for one in found]}, visible_lines(lines))


@app.command("show")
def kyc_show(email: str, as_json: AsJson = False) -> None:
    """Show where one person stands, and everything that was said about them."""
    found = run(lambda: show_person(email))
    customer = found.customer_id or "none"
    lines = [
        f"{found.email} {found.user_id}: {found.status}, tier {found.tier}",
        f"Customer {customer}{'' if found.is_proven or not found.customer_id else ', not proven theirs'}",
        *(_line(step) for step in found.history),
    ]
    answer(as_json, asdict(found), visible_lines(lines))


def _line(step: StepLine) -> str:
    change = f"{step.from_status} {step.from_tier} -> {step.to_status} {step.to_tier}"
    who = " ".join(word for word in (step.source, step.word, step.actor, step.reason) if word)
    return f"{time_text(step.at)}  {change}  {who}"


@app.command("set")
def kyc_set(
    email: str,
    status: Annotated[KycStatus, typer.Option("--status")],
    reason: Why,
    by: By,
    tier: Annotated[KycTier, typer.Option("--tier")] = KycTier.NONE,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Say where a person stands. It counts until an operator says otherwise or the person goes on from it."""
    who = mandate(by, reason, code=code, confirm=confirm)
    done = decide(lambda: set_standing(email, Standing(status, tier), mandate=who), as_json=as_json)
    answer(as_json, asdict(done), f"Account {done.user_id} is {done.status} now, tier {done.tier}.")
