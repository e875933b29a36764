"""Closing an account: only an empty one, for good. The books stay and name nobody any more.

Everything happens in one transaction under the lock of the account. What books money takes a lock of its own
on the accounts that it concerns before it looks at them (`crediting.context`), so that a payment either
arrives before, and the account is not closed, or finds it closed, and is held.
"""

from dataclasses import dataclass

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app import idempotency
from onramp_app.accounts import accounts, devices, links, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import Role
from onramp_app.db.engine import transaction
from onramp_app.debits import personal as debits
from onramp_app.domain import clock
from onramp_app.domain.errors import AccountNotEmpty, Forbidden
from onramp_app.domain.money import amount_text
from onramp_app.factors import factors, resets
from onramp_app.ledger import audit
from onramp_app.ledger.balances import balances
from onramp_app.links import personal as add_money_links
from onramp_app.mail import outbox
from onramp_app.mail.words import MailKind
from onramp_app.outgoing_webhooks import personal as outgoing_webhooks
from onramp_app.programs import personal as programs
from onramp_app.throttle import throttle
from onramp_app.top_ups.errors import AccountFrozen
from onramp_app.top_ups.personal import open_payments
from onramp_app.verification import personal as verification

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeftView:
    """What keeps an account from being closed: amounts in whole units by asset, and numbers of top-ups.

    `balances` are available and held together, what debits hold included; `owed` is what its owner owes
    after a reversal.
    """

    balances: tuple[tuple[str, str], ...]
    owed: tuple[tuple[str, str], ...]
    open_top_ups: int
    open_reviews: int

    @property
    def is_nothing(self) -> bool:
        """Whether the account is empty."""
        return not (self.balances or self.owed or self.open_top_ups or self.open_reviews)


async def what_is_left(viewer: Viewer) -> LeftView:
    """Return what keeps the viewer's account from being closed at this moment."""
    async with transaction() as db:
        return await _left(db, viewer.user_id)


async def close(viewer: Viewer, *, client: Client) -> None:
    """Close the viewer's account for good.

    All that says whose it was is removed, and the address is free for somebody else. The last mail goes to
    the old address and is all that is still kept of it, until a day after it was sent.

    Raises:
        AccountNotEmpty: money is left, owed or under way, or somebody looks at a payment.
        RecentSignInRequired: the viewer proved who they are more than 15 minutes ago.
        AccountFrozen: an operator froze the account.
        Forbidden: the account may decide about other people's money. Its role has to be taken away before.
        Unauthenticated: the session has ended, or the account is closed already.
        RateLimited: too many attempts.
    """
    await throttle.attempt(throttle.CLOSE, viewer.user_id)
    _refuse_operators(viewer.role)
    async with transaction() as db:
        # The account before its session: all that ends sessions takes the locks in this order.
        user = await accounts.lock_open(db, viewer.user_id)
        await sessions.require_recent_proof(db, viewer)
        _refuse_operators(user.role)
        if user.frozen_at is not None:
            raise AccountFrozen("Your account is frozen. Write to support.")
        left = await _left(db, user.id)
        if not left.is_nothing:
            raise _not_empty(left)
        await _forget(db, user, client)
        audit.write(
            db,
            audit.Act.ACCOUNT_CLOSED,
            actor=user.id,
            subject=user.id,
            at=clock.now(),
            detail={"device": devices.kept_words(client.user_agent)},
            address=client.address,
        )
    _log.info("account closed", user_id=viewer.user_id)


def _refuse_operators(role: str) -> None:
    if role != Role.USER.value:
        raise Forbidden("An operator's account can be closed once an admin has taken the role away.")


async def _left(db: AsyncSession, user_id: str) -> LeftView:
    found = (await balances(db, [user_id]))[user_id]
    payments = await open_payments(db, user_id)
    mine = [(one.asset, one.balance.available_minor + one.balance.held_minor, one.scale) for one in found]
    owed = [(one.asset, one.balance.owed_minor, one.scale) for one in found]
    return LeftView(_amounts(mine), _amounts(owed), payments.open, payments.in_review)


def _amounts(minor: list[tuple[str, int, int]]) -> tuple[tuple[str, str], ...]:
    return tuple((asset, amount_text(amount, scale=scale)) for asset, amount, scale in minor if amount)


def _not_empty(left: LeftView) -> AccountNotEmpty:
    return AccountNotEmpty(
        "Money is left in the account, or a payment of it has not ended.",
        extra={
            "balances": dict(left.balances),
            "owed": dict(left.owed),
            "open_top_ups": str(left.open_top_ups),
            "open_reviews": str(left.open_reviews),
        },
    )


async def _forget(db: AsyncSession, user: User, client: Client) -> None:
    await factors.remove_all(db, user.id)
    await resets.forget(db, user.id)
    await verification.forget(db, user.id)
    await programs.forget(db, user.id)
    await outgoing_webhooks.forget(db, user.id)
    await idempotency.forget(db, user.id)
    await debits.forget(db, user.id)
    await add_money_links.forget(db, user.id)
    await outbox.forget(db, user.id)
    # Written while the account still has its address and language.
    await links.write_mail(db, user, MailKind.ACCOUNT_CLOSED, details=links.done_by(client), event=user.id)
    await accounts.pseudonymise(db, user)
