"""Fixtures: visits to the wizard, with the simulator behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from onramp_app.accounts.sessions import BrowserSession
from onramp_app.config import get_settings
from onramp_app.ledger.assets import enable_assets
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.top_ups import top_ups
from onramp_app.web.add_money import ask, open_state
from onramp_app.web.add_money.state import WizardState
from tests.databases import owner_of
from tests.simulator.process import Process
from tests.web.conftest import Outcome, Tab, cookie_of

HANDLERS = WizardState.event_handlers
RUPEES = PurchaseRequest("INR", Decimal(5000), "USDT", "matic20", "UPI", "IN")


@dataclass
class Visit:
    """One tab on the wizard; handlers' background tasks are awaited."""

    tab: Tab
    cookie: str
    page: WizardState = field(init=False)

    async def open(self, search: str = "") -> Outcome:
        self.tab.connect(self.cookie, path=f"/add-money{search}")
        await self.tab.hydrate()
        self.page = await self.tab.state(WizardState)
        return await self.do("load")

    async def do(self, name: str, *arguments: Any) -> Outcome:
        outcome = await self.tab.send(HANDLERS[name], *arguments)
        for event in outcome.events:
            chained = event.name.rpartition(".")[2]
            if chained in HANDLERS:
                await self.do(chained)
        if outcome.leads_to and outcome.leads_to.startswith("/add-money?"):
            await self.open(outcome.leads_to.removeprefix("/add-money"))
        elif self.page.forward:
            await self.open(self.page.forward)
        return outcome

    @property
    def shown(self) -> tuple[str, str, str, str]:
        page = self.page
        return page.step, page.amount, page.offer.currency, page.method


@dataclass
class Street:
    """The simulator, an owner's connection to the database, and people's visits."""

    simulator: Process
    owner: psycopg.Connection
    new_visit: Callable[..., Awaitable[Visit]]
    sessions: list[BrowserSession] = field(default_factory=list)

    @property
    def viewer(self) -> Any:
        return self.sessions[0].viewer

    def count(self) -> int:
        return self.owner.execute("SELECT count(*) FROM top_ups").fetchone()[0]


@pytest.fixture
async def street(simulator: Process, database, new_account, open_tab, monkeypatch) -> AsyncIterator[Street]:
    monkeypatch.setenv("ONRAMP_REQUESTS_PER_MINUTE", "10000")
    monkeypatch.setenv("ONRAMP_WIDGET_URL", f"{simulator.base}/main")
    monkeypatch.setattr(open_state, "READ_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr(ask, "RATES_WITHIN_SECONDS", 0)
    get_settings.cache_clear()
    await enable_assets()

    async def visit(session: BrowserSession | None = None) -> Visit:
        if session is None:
            session = made.sessions[0] if made.sessions else await new_account()
        if session not in made.sessions:
            made.sessions.append(session)
        return Visit(open_tab(), cookie_of(session))

    made = Street(simulator, owner_of(database), visit)
    yield made
    simulator.control("scenario", method="DELETE")


@pytest.fixture
async def visit(street: Street) -> Visit:
    return await street.new_visit()


async def begun(street: Street, **changes: str) -> str:
    view = await top_ups.create(street.viewer, RUPEES)
    for column, value in changes.items():
        street.owner.execute(f"UPDATE top_ups SET {column} = %s WHERE id = %s", (value, view.id))
    return view.id
