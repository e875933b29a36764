"""Four eyes: above `FOUR_EYES_ABOVE` one operator proposes a deed, and another confirms it within a day."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.words import Role
from onramp_app.config import get_settings
from onramp_app.domain.clock import now
from onramp_app.domain.errors import Forbidden, NotFound
from onramp_app.domain.ids import is_id
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.tables import Proposal
from onramp_app.pricing.rate_book import RateBook
from onramp_app.pricing.rates import rates_into

LIFE = timedelta(hours=24)
_PRECISION = 50


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator is about to do, and exactly what a second operator confirms.

    Args:
        action: what is done, as the audit log calls it.
        subject: the id of what the deed is done to.
        concerns: the ids of the accounts whose owners must not decide about it.
        moves: (amount in whole units, asset) of each movement of money; empty where it moves none. None where
            its worth is not known, which counts as above every threshold.
        lately: movements of the same kind that were done before. They count against the threshold, so that
            nobody does in parts what needs two operators, but are no part of the deed.
        state: what the decision rests on, and what else identifies the deed. Another state: another deed.
    """

    action: str
    subject: str
    concerns: frozenset[str] = frozenset()
    moves: tuple[tuple[Decimal, str], ...] | None = ()
    lately: tuple[tuple[Decimal, str], ...] = ()
    state: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def hash(self) -> bytes:
        """The sha256 of everything that makes the deed what it is."""
        moves = None if self.moves is None else [[format(amount, "f"), asset] for amount, asset in self.moves]
        parts = [self.action, self.subject, sorted(self.concerns), moves, dict(self.state)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


class SecondOperatorNeeded(Exception):
    """Nothing was done: the deed became a proposal, which another operator has to confirm."""

    def __init__(self, proposal: str, *, expires_at: datetime) -> None:
        super().__init__(f"Proposal {proposal} waits for another operator.")
        self.proposal = proposal
        self.expires_at = expires_at


def needs_second(deed: Deed, book: RateBook | None) -> bool:
    """Return whether the deed needs a second operator at these rates; True where a rate is missing."""
    above = get_settings().four_eyes_above
    if above is None:
        return False
    if deed.moves is None:
        return True
    moves = (*deed.moves, *deed.lately)
    assets = {asset for _, asset in moves}
    prices = rates_into(above.currency, book, assets) if book is not None else {}
    if prices.keys() != assets:
        return True
    with localcontext(prec=_PRECISION):
        return sum((abs(amount) * prices[asset] for amount, asset in moves), Decimal(0)) > above.amount


async def propose(db: AsyncSession, deed: Deed, *, by: str, reason: str) -> Proposal:
    """Record a proposal of the deed in the caller's transaction. It waits for another operator for a day."""
    at = now()
    proposal = Proposal(
        action=deed.action,
        subject=deed.subject,
        deed_hash=deed.hash,
        reason=reason,
        proposed_by=by,
        proposed_at=at,
        expires_at=at + LIFE,
    )
    db.add(proposal)
    return proposal


async def confirm(
    db: AsyncSession, proposal_id: str, deed: Deed, *, by: str, proposers: frozenset[Role]
) -> Proposal:
    """Mark a proposal as confirmed, locked, in the transaction that does the deed.

    Args:
        db: the transaction.
        proposal_id: the proposal to confirm.
        deed: what is about to be done, which must be what was proposed.
        by: the id of the confirming operator.
        proposers: the roles that may propose this deed; the proposer must still have one of them.

    Raises:
        NotFound: there is no such proposal.
        Forbidden: the confirming operator proposed it, or the proposer has lost the role for it.
        ActionNotPossible: the proposal was confirmed before, is older than a day, or is of another deed.
    """
    found = None
    if is_id(proposal_id):
        found = (await db.exec(select(Proposal).where(Proposal.id == proposal_id).with_for_update())).first()
    if found is None:
        raise NotFound("There is no such proposal.")
    if found.proposed_by == by:
        raise Forbidden("You proposed this: another operator has to confirm it.")
    if found.confirmed_at is not None:
        raise ActionNotPossible("This proposal was confirmed before.")
    if found.expires_at <= now():
        raise ActionNotPossible("This proposal is older than a day: propose it again.")
    if found.deed_hash != deed.hash:
        raise ActionNotPossible(
            "This is not what was proposed, or it has changed since: look at it and propose it again."
        )
    proposer = (await db.exec(select(User).where(User.id == found.proposed_by))).one()
    if proposer.role not in proposers:
        raise Forbidden(f"{proposer.email}, who proposed this, may not decide it any more.")
    found.confirmed_by, found.confirmed_at = by, now()
    return found
