"""Asks the provider how verifications stand: each while it is open, sooner after something has happened.

Any number of processes may read. Each claims one person at a time by moving `due_at` half a minute on, which
is a lease on that person: a process that dies leaves them due again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text
from sqlmodel import select

from onramp_app.accounts.words import KycStatus
from onramp_app.config import get_settings
from onramp_app.db.engine import execute, transaction
from onramp_app.domain import clock
from onramp_app.domain.environment import current_environment
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.fleet.watch import made_progress, rest
from onramp_app.providers.connection import get_kyc_provider
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.providers.port import KycReport
from onramp_app.verification.machine import Standing, on_meaning
from onramp_app.verification.steps import Said, is_operators_word, lock_person, standing_of, write_step
from onramp_app.verification.tables import VerificationCustomer
from onramp_app.verification.words import Source

TICK_SECONDS = 1.0
READING_SHARE = 0.5  # of our request rate; the rest is for people who wait
_CLAIM = timedelta(seconds=60)  # longer than three tries of the client
_SOONEST, _LATEST = timedelta(seconds=5), timedelta(hours=1)
_SHARE_OF_AGE = 10
_GIVE_UP = timedelta(days=30)
# Somebody who is approved and goes for a higher tier is asked about for as long as their link may be open.
_AFTER_OUTCOME = timedelta(hours=1)
_MAX_BACKOFF_SECONDS = 600

_log = structlog.get_logger(__name__)

_TAKE = text("""
UPDATE verification_customers SET due_at = :until
 WHERE user_id = (SELECT user_id FROM verification_customers
                   WHERE due_at <= :at AND environment = :environment
                   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING user_id, customer_id
""")


@dataclass(frozen=True, slots=True)
class _Claim:
    """One person to ask about, ours until `until`."""

    user_id: str
    customer_id: str
    asked_at: datetime
    until: datetime


async def keep_reading() -> None:
    """Ask about whoever is due, within our share of the request rate, until cancelled."""
    while True:
        made_progress()
        has_read = await read_next()
        made_progress()
        await rest(
            60 / (get_settings().onramp_requests_per_minute * READING_SHARE) if has_read else TICK_SECONDS
        )


async def read_next() -> bool:
    """Ask about the one who has been due longest. Returns whether there was anybody."""
    claim = await _claim()
    if claim is None:
        return False
    try:
        report = await get_kyc_provider().kyc_report(claim.customer_id)
    except ProviderUnavailable as error:
        _log.warning("verification not read", user_id=claim.user_id, error=type(error).__name__)
        await _postpone(claim)
        return True
    if await _keep(claim, report):
        announce_changes([claim.user_id])
    return True


async def _claim() -> _Claim | None:
    at = clock.now()
    values = {"at": at, "until": at + _CLAIM, "environment": current_environment().value}
    async with transaction() as db:
        row = (await execute(db, _TAKE, values)).first()
    return None if row is None else _Claim(row.user_id, row.customer_id, at, at + _CLAIM)


async def _postpone(claim: _Claim) -> None:
    at = clock.now()
    async with transaction() as db:
        query = select(VerificationCustomer).where(VerificationCustomer.user_id == claim.user_id)
        customer = (await db.exec(query.with_for_update())).one()
        if customer.due_at != claim.until:
            return
        customer.read_failures += 1
        seconds = min(_MAX_BACKOFF_SECONDS, 5 * 2 ** min(customer.read_failures - 1, 10))
        customer.due_at = at + timedelta(seconds=seconds)


async def _keep(claim: _Claim, report: KycReport) -> bool:
    """Take up what was read. Returns whether the person stands elsewhere now."""
    at = clock.now()
    async with transaction() as db:
        user = await lock_person(db, claim.user_id)
        query = select(VerificationCustomer).where(VerificationCustomer.user_id == claim.user_id)
        customer = (await db.exec(query.with_for_update())).one()
        is_another = customer.customer_id != claim.customer_id or not customer.is_proven
        if is_another or (customer.read_at is not None and customer.read_at > claim.asked_at):
            return False  # Another number was given meanwhile, or a later question was answered sooner.
        before = standing_of(user)
        wanted = on_meaning(before, report.meaning)
        is_fixed = wanted != before and await is_operators_word(db, user.id)
        after = before if is_fixed else wanted
        is_new_word = report.status != customer.last_word
        if after != before or (is_new_word and (is_fixed or report.meaning is None)):
            write_step(db, user, after, said=Said(Source.PROVIDER, word=report.status), at=at)
        if is_new_word and (is_fixed or report.meaning is None):
            _log.warning(
                "the provider's word changes nothing",
                user_id=user.id,
                word=report.status,
                why="an operator decided" if is_fixed else "it is not known",
            )
        if after != before:
            customer.awake_at = at
        customer.last_word, customer.read_at, customer.read_failures = report.status, at, 0
        if customer.due_at == claim.until:  # Otherwise somebody wants it read again already.
            customer.due_at = _next_read(after, customer.awake_at, at)
    return after != before


def _next_read(standing: Standing, awake_at: datetime, at: datetime) -> datetime | None:
    """Return when to ask next: the longer nothing has happened, the later; None once nothing is open."""
    age = at - awake_at
    is_over = standing.status in (KycStatus.APPROVED, KycStatus.REJECTED)
    if age > (_AFTER_OUTCOME if is_over else _GIVE_UP):
        return None
    return at + min(max(_SOONEST, age / _SHARE_OF_AGE), _LATEST)
