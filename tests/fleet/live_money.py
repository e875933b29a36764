"""Credits money to a user whose pages are open."""

import psycopg

from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id
from onramp_app.fleet import changed_people
from onramp_app.ledger.instructions import UserAmount, make_good
from onramp_app.ledger.transfers import Cause
from tests.recorded_posting import post_on_record


async def credit(database: str, user_id: str, *, announced: bool = True) -> None:
    """Credit one USDT to a user as a service does, with or without announcing the change."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now()) ON CONFLICT DO NOTHING")
    cause = Cause(StepSource.OPERATOR, actor="operator-1", reason="a gift")
    gift = make_good(new_id(), UserAmount(Environment.SIMULATOR, user_id, "USDT", 10**18), cause=cause)
    await post_on_record([gift])
    if announced:
        changed_people.announce_changes([user_id])
