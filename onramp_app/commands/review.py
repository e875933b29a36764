"""`review`: the cases that wait for an operator, and the decisions about them."""

from dataclasses import asdict
from typing import Annotated

import typer

from onramp_app.commands.running import (
    AsJson,
    By,
    Code,
    Confirm,
    MaybeBy,
    MaybeWhy,
    Why,
    answer,
    decide,
    fail,
    mandate,
    run,
    time_text,
    visible,
    visible_lines,
)
from onramp_app.operators.mandate import Mandate
from onramp_app.review import adjusting, by_hand, decisions, giving_back
from onramp_app.review.attribution import Attribution, attribute, preview
from onramp_app.review.waiting import OpenCase, close_case, waiting_cases
from onramp_app.top_ups.transitions import Action

Account = Annotated[str, typer.Argument(help="The id of the account, never an email address.")]
Reference = Annotated[str, typer.Option(help="A reference of yours, such as a ticket. Each is booked once.")]

app = typer.Typer(help="Decide what waits for a person.", no_args_is_help=True)


@app.command("list")
def review_list(limit: Annotated[int, typer.Option(min=1, max=1000)] = 100, as_json: AsJson = False) -> None:
    """List the open cases, oldest first."""
    found = run(lambda: waiting_cases(limit=limit))
    lines = [_open_line(item) for item in found.items]
    lines.append(f"{len(found.items)} of {found.total} open cases.")
    answer(as_json, asdict(found), "\n".join(lines))


def _open_line(item: OpenCase) -> str:
    amount = f"{item.amount} {item.asset}" if item.amount else "nothing booked"
    about = [f"top-up {item.top_up_id or '-'}", f"order {item.order_id or '-'}", amount, item.user or "-"]
    why = ": ".join(word for word in (item.reason, item.why) if word)
    return visible(f"{time_text(item.since)}  {item.kind} {item.id}  {'  '.join(about)}  {why}")


def _decide(top_up: str, action: Action, who: Mandate, as_json: bool) -> None:
    _answer_decision(decide(lambda: decisions.decide(top_up, action, mandate=who), as_json=as_json), as_json)


def _answer_decision(done: decisions.Decision, as_json: bool) -> None:
    amount = f", {done.amount} {done.asset}" if done.amount else ""
    answer(as_json, asdict(done), f"Top-up {done.top_up_id} is {done.status} now: {done.done}{amount}.")


@app.command("release")
def review_release(
    top_up: str, reason: Why, by: By, code: Code = None, confirm: Confirm = None, as_json: AsJson = False
) -> None:
    """Let the user have what is held of a top-up."""
    _decide(top_up, Action.RELEASE, mandate(by, reason, code=code, confirm=confirm), as_json)


@app.command("credit")
def review_credit(
    top_up: str, reason: Why, by: By, code: Code = None, confirm: Confirm = None, as_json: AsJson = False
) -> None:
    """Credit a delivery by the provider's word, while no server of its network answers."""
    who = mandate(by, reason, code=code, confirm=confirm)
    _answer_decision(decide(lambda: by_hand.credit(top_up, mandate=who), as_json=as_json), as_json)


@app.command("return")
def review_return(
    top_up: str, reason: Why, by: By, code: Code = None, confirm: Confirm = None, as_json: AsJson = False
) -> None:
    """Agree to give back what is held of a top-up."""
    _decide(top_up, Action.RETURN, mandate(by, reason, code=code, confirm=confirm), as_json)


@app.command("close")
def review_close(
    top_up: str,
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    is_case: Annotated[
        bool,
        typer.Option("--case", "--exception", help="The id is that of a case that needs no decision."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """End a review in which nothing was booked: refunded by the provider, or never charged."""
    who = mandate(by, reason, code=code, confirm=confirm)
    if not is_case:
        _decide(top_up, Action.CLOSE, who, as_json)
        return
    closed = decide(lambda: close_case(top_up, mandate=who), as_json=as_json)
    answer(as_json, asdict(closed), f"Case {closed.id} ({closed.kind}) is closed.")


@app.command("reverse")
def review_reverse(
    top_up: str,
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo a reversal instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back what was credited; what the user no longer has is owed."""
    action = Action.UNDO_REVERSE if undo else Action.REVERSE
    _decide(top_up, action, mandate(by, reason, code=code, confirm=confirm), as_json)


@app.command("remit")
def review_remit(
    order: str,
    transaction: Annotated[str, typer.Option(help="The hash of the transaction that sent the coins back.")],
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Record that what was returned or reversed of an order was sent back on chain."""
    who = mandate(by, reason, code=code, confirm=confirm)
    done = decide(lambda: giving_back.remit(order, transaction=transaction, mandate=who), as_json=as_json)
    _answer_given_back(done, as_json)


@app.command("setoff")
def review_setoff(
    order: str,
    invoice: Annotated[str, typer.Option(help="The number of the provider's invoice that settled it.")],
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Record that the provider's invoice settled what was returned or reversed of an order."""
    who = mandate(by, reason, code=code, confirm=confirm)
    done = decide(lambda: giving_back.setoff(order, invoice=invoice, mandate=who), as_json=as_json)
    _answer_given_back(done, as_json)


def _answer_given_back(done: giving_back.GivenBack, as_json: bool) -> None:
    said = f"Order {done.order_id} is {done.done} now: {done.amount} {done.asset}, {done.evidence}."
    answer(as_json, asdict(done), visible(said))


@app.command("make-good")
def review_make_good(
    user: Account,
    asset: str,
    amount: str,
    reference: Reference,
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Credit a person an amount at your own expense."""
    wanted = adjusting.Wanted(user, asset, amount, reference)
    who = mandate(by, reason, code=code, confirm=confirm)
    _answer_adjusted(decide(lambda: adjusting.make_good(wanted, mandate=who), as_json=as_json), as_json)


@app.command("write-off")
def review_write_off(
    user: Account,
    asset: str,
    amount: str,
    reference: Reference,
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Cancel what a person owes, or a part of it, at your own expense."""
    wanted = adjusting.Wanted(user, asset, amount, reference)
    who = mandate(by, reason, code=code, confirm=confirm)
    _answer_adjusted(decide(lambda: adjusting.write_off(wanted, mandate=who), as_json=as_json), as_json)


def _answer_adjusted(done: adjusting.Adjusted, as_json: bool) -> None:
    said = f"{done.amount} {done.asset} {done.done} for {done.email}: {done.reference}."
    answer(as_json, asdict(done), visible(said))


@app.command("attribute")
def review_attribute(
    order: str,
    user: Account,
    reason: MaybeWhy = None,
    by: MaybeBy = None,
    code: Code = None,
    confirm: Confirm = None,
    yes: Annotated[bool, typer.Option("--yes", help="Credit it; needs --reason, --by, --code.")] = False,
    as_json: AsJson = False,
) -> None:
    """Credit what arrived without an owner to a user, as a new top-up of theirs.

    Without --yes it shows whom the id means and what they would get, and changes nothing.
    """
    if not yes:
        found = run(lambda: preview(order, user))
        outcome = f"Nothing was changed. Repeat with --yes to credit it to {found.user.email}."
        _answer_attribution(found, outcome, as_json)
        return
    if reason is None or by is None:
        fail("Give --reason, --by and --code with --yes.")
    who = mandate(by, reason, code=code, confirm=confirm)
    done = decide(lambda: attribute(order, user, mandate=who), as_json=as_json)
    _answer_attribution(done, f"It is theirs now: top-up {done.top_up_id}.", as_json)


def _answer_attribution(found: Attribution, outcome: str, as_json: bool) -> None:
    person = found.user
    lines = [
        f"Order {found.order_id}: {found.amount} {found.asset}",
        f"Account {person.id}: {person.email}, {person.display_name}, {person.role},"
        f" verification {person.kyc_status}, since {time_text(person.created_at)}",
        outcome,
    ]
    answer(as_json, {"done": found.top_up_id is not None, **asdict(found)}, visible_lines(lines))
