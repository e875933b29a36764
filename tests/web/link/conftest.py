"""Fixtures: a shop's add-money links, and tabs that open them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from onramp_app.web.add_money import ask
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.link.state import LinkState, VisitState
from onramp_app.web.top_up.state import TopUpPageState
from tests.api.conftest import ada, bo, client, new_person, wallet
from tests.links.conftest import shop
from tests.links.shop import Shop, opened, token_of
from tests.web.conftest import Outcome, Tab

__all__ = ["ada", "bo", "client", "new_person", "shop", "wallet"]

STATES = (LinkState, VisitState, WizardState, TopUpPageState)


@dataclass
class Visit:
    """One tab on the page of a link; handlers' background tasks are awaited."""

    tab: Tab
    link: dict[str, Any]
    cookie: str = ""
    search: str = field(default="", init=False)

    @property
    def path(self) -> str:
        return f"/link/{token_of(self.link)}"

    async def open(self, search: str = "") -> Outcome:
        self.search = search
        self.tab.connect(self.cookie, path=f"{self.path}{search}")
        await self.tab.hydrate()
        return await self.do(LinkState, "load")

    async def do(self, state: type[Any], name: str, *arguments: Any) -> Outcome:
        outcome = await self.tab.send(state.event_handlers[name], *arguments)
        for event in outcome.events:
            where, _, chained = event.name.rpartition(".")
            for one in STATES:
                if where == one.get_full_name():
                    await self.do(one, chained)
        wizard = await self.tab.state(WizardState)
        if outcome.leads_to is not None and outcome.went_on and outcome.leads_to == self.path:
            await self.open()
        elif wizard.forward and wizard.forward != self.search:
            await self.open(wizard.forward)
        return outcome

    async def pay(self, amount: str = "1000") -> None:
        """Go through the steps with the proposed choices, and create the top-up."""
        await self.do(WizardState, "go_on", {"amount": amount, "receive": ""})
        wizard = await self.tab.state(WizardState)
        await self.do(WizardState, "go_on", {"method": wizard.method})
        await self.do(WizardState, "begin")


@pytest.fixture
def visit(shop: Shop, open_tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that opens a link in a new tab, with its button pressed or by its URL only."""
    monkeypatch.setattr(ask, "RATES_WITHIN_SECONDS", 0)

    async def make(link: dict[str, Any], *, is_opened: bool = True, also: str = "") -> Visit:
        cookies = [await opened(link)] if is_opened else []
        made = Visit(open_tab(), link, "; ".join([*cookies, *([also] if also else [])]))
        await made.open()
        return made

    return make
