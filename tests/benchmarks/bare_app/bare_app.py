"""The smallest Reflex application with a live balance, as a baseline for ours.

It has one state, which sends as much per push as our home page, 2.3 KiB, and nothing else. `GET /push`
updates every tab.
"""

import reflex as rx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class BareState(rx.State):
    """The data that a tab shows."""

    number: int = 0
    line: str = ""
    rows: list[dict[str, str]] = []  # noqa: RUF012  # Reflex copies the default for each state.

    @rx.event
    def load(self) -> None:
        """Show the first values."""
        self.show_next()

    def show_next(self) -> None:
        """Replace all values with new ones."""
        self.number += 1
        self.line = f"M{self.number} 0H1V2" * 60
        self.rows = [
            {name: f"{name} {self.number}" for name in ("title", "at", "paid", "amount", "tag", "tone")}
            for _ in range(14)
        ]


async def push(_: Request) -> PlainTextResponse:
    """Push new values to every tab."""
    assert app.event_namespace is not None
    for token in list(app.event_namespace.token_to_sid):
        async with app.modify_state(rx.BaseStateToken(ident=token, cls=BareState)) as state:
            (await state.get_state(BareState)).show_next()
    return PlainTextResponse("pushed")


app = rx.App(api_transformer=Starlette(routes=[Route("/push", push)]))
app.add_page(lambda: rx.el.p(BareState.number), route="/home", on_load=BareState.load)
