"""`webhooks`: the stored webhooks. `onramp`: requests to the provider about webhooks."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from onramp_app.commands.running import (
    AsJson,
    By,
    Code,
    Confirm,
    Why,
    answer,
    ask_provider,
    decide,
    mandate,
    run,
    time_text,
    visible_lines,
)
from onramp_app.provider_orders import webhook_address, webhooks

stored = typer.Typer(help="Look at the stored webhooks.", no_args_is_help=True)
onramp = typer.Typer(help="Ask the provider about webhooks.", no_args_is_help=True)


@stored.command("list")
def webhooks_list(
    order: Annotated[str | None, typer.Option(help="Only those of one of the provider's orders.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=webhooks.MAX_LISTED)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest stored webhooks."""
    events = run(lambda: webhooks.list_events(limit=limit, order_id=order))
    lines = [
        f"{event.id}  {time_text(event.received_at)}  {event.flow or '-'} {event.order_id or '-'}"
        f"  {'handled' if event.handled_at else 'waiting'}"
        f"{', old' if event.is_old else ''}{', body differs' if event.differs else ''}"
        f"{f', replayed {event.replays} times' if event.replays else ''}"
        for event in events
    ]
    answer(as_json, {"items": [asdict(event) for event in events]}, visible_lines(lines))


@stored.command("show")
def webhooks_show(event: int, as_json: AsJson = False) -> None:
    """Show one webhook with its signed header decoded. It may hold personal data."""
    found = run(lambda: webhooks.show_event(event))
    document = {**asdict(found.line), **{k: v for k, v in asdict(found).items() if k != "line"}}
    words = {
        key: time_text(value) if isinstance(value, datetime) else value for key, value in document.items()
    }
    answer(as_json, document, visible_lines([f"{key}: {value}" for key, value in words.items()]))


@stored.command("replay")
def webhooks_replay(
    event: int, reason: Why, by: By, code: Code = None, confirm: Confirm = None, as_json: AsJson = False
) -> None:
    """Read the order of a webhook again. Safe to repeat: only what is read decides."""
    who = mandate(by, reason, code=code, confirm=confirm)
    done = decide(lambda: webhooks.replay_event(event, mandate=who), as_json=as_json)
    answer(as_json, asdict(done), f"Order {done.order_id} ({done.flow}) will be read again.")


@onramp.command("set-webhook")
def set_webhook(
    url: Annotated[str | None, typer.Argument(help="Left out: our own address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have the provider send its webhooks to an address. The provider keeps one address for each account."""
    registered = ask_provider(lambda: webhook_address.register(url))
    answer(as_json, {"webhook_url": registered}, f"Webhooks go to {registered}.")


@onramp.command("send-dummy")
def send_dummy(
    url: Annotated[str | None, typer.Argument(help="Left out: the registered address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have the provider send an example, to see that it arrives and is verified. It credits nothing."""
    ask_provider(lambda: webhook_address.send_dummy(url))
    answer(as_json, {"sent": True}, "The provider is sending its example.")


@onramp.command()
def resend(order_id: str, as_json: AsJson = False) -> None:
    """Have the provider send the webhook of a completed order again. The order is still credited once."""
    ask_provider(lambda: webhook_address.resend(order_id))
    answer(as_json, {"order_id": order_id}, f"The provider is sending the webhook of order {order_id} again.")
