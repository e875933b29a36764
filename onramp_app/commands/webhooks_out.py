"""`webhooks-out`: the webhooks that programs of the operator get."""

from dataclasses import asdict
from typing import Annotated

import typer

from onramp_app.commands.running import (
    NOT_DONE,
    NOT_UNDERSTOOD,
    AsJson,
    By,
    Code,
    Confirm,
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
from onramp_app.outgoing_webhooks import deliveries, endpoints, sender
from onramp_app.outgoing_webhooks.views import OperatorsEndpoint

app = typer.Typer(help="Webhooks that programs get.", no_args_is_help=True)


@app.command("list")
def webhooks_out_list(as_json: AsJson = False) -> None:
    """List the endpoints of all programs, how they stand, and how many deliveries wait or have failed."""
    found = run(endpoints.listed_for_operators)
    lines = [_line(one) for one in found]
    lines.append(f"{len(found)} endpoints.")
    items = [
        {
            "program": one.program,
            "has_key": one.has_key,
            **asdict(one.endpoint),
            "deliveries": {"waiting": one.waiting, "failed": one.failed},
        }
        for one in found
    ]
    answer(as_json, {"items": items}, visible_lines(lines))


def _line(one: OperatorsEndpoint) -> str:
    state, view = "works", one.endpoint
    if not one.has_key:
        state = "gets nothing, because no key of its program works"
    elif view.disabled_at is not None:
        state = f"disabled since {time_text(view.disabled_at)} ({view.disabled_because})"
    elif view.failing_since is not None:
        state = f"takes nothing since {time_text(view.failing_since)}"
    return f"{view.id}  {one.program}  {view.url}  {state}, {one.waiting} waiting, {one.failed} failed"


@app.command("disable")
def webhooks_out_disable(
    endpoint: Annotated[str, typer.Argument(help="The id of an endpoint, as `list` shows it.")],
    reason: Why,
    by: By,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing more to an endpoint. Its program cannot enable it again."""
    who = mandate(by, reason, code=code, confirm=confirm)
    decide(lambda: endpoints.disable_for(endpoint, mandate=who), as_json=as_json)
    answer(as_json, {"disabled": endpoint}, f"Nothing more is sent to {visible(endpoint)}.")


@app.command("send-test")
def send_test(
    endpoint: Annotated[str, typer.Argument(help="The id of an endpoint, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Send one webhook of the type webhook.test now, and say what the endpoint answers. Nothing keeps it."""
    sent = run(lambda: sender.send_test(endpoint))
    if sent.status is None:
        fail(f"Nothing was taken: {sent.problem}.", status=NOT_DONE, code="webhook_not_sent")
    if not sent.is_taken:
        fail(f"The endpoint did not take it: {sent.problem}.", code="webhook_refused")
    text = sent.body.decode(errors="replace")
    document = {"taken": True, "status": sent.status, "took_ms": sent.took_ms, "answer": text}
    answer(
        as_json, document, visible(f"The endpoint took it with {sent.status} after {sent.took_ms} ms. {text}")
    )


@app.command("redeliver")
def redeliver(
    endpoint: Annotated[str, typer.Argument(help="The id of an endpoint, as `list` shows it.")],
    reason: Why,
    by: By,
    delivery: Annotated[str | None, typer.Option("--delivery", help="One delivery, by its id.")] = None,
    all_failed: Annotated[
        bool, typer.Option("--all-failed", help="All that failed or wait for another attempt.")
    ] = False,
    code: Code = None,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Send one delivery again, or all that an endpoint did not take. Each keeps its id and its number."""
    if (delivery is None) is not all_failed:
        fail("Give either --delivery or --all-failed.", status=NOT_UNDERSTOOD, code="not_understood")
    who = mandate(by, reason, code=code, confirm=confirm)
    number = decide(lambda: deliveries.redeliver_for(endpoint, delivery, mandate=who), as_json=as_json)
    answer(as_json, {"redelivered": number}, f"{number} deliveries are sent again.")
