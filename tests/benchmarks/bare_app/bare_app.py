"""The least that a Reflex application with a live number can be, to compare ours with.

`GET /push` gives every connected tab another number.
"""

import reflex as rx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class BareState(rx.State):
    """What a tab shows."""

    balance: str = ""

    @rx.event
    def load(self) -> None:
        """Show the first number."""
        self.balance = "0"


async def push(_: Request) -> PlainTextResponse:
    """Show every tab another number."""
    for token in list(app.event_namespace.token_to_sid):
        async with app.modify_state(rx.BaseStateToken(ident=token, cls=BareState)) as state:
            page = await state.get_state(BareState)
            page.balance = str(int(page.balance) + 1)
    return PlainTextResponse("pushed")


app = rx.App(api_transformer=Starlette(routes=[Route("/push", push)]))
app.add_page(lambda: rx.el.p(BareState.balance), route="/home", on_load=BareState.load)
