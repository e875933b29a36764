"""Lets a program in by its key: found by id, proved by hash, from where it may come, as often as it may."""

import ipaddress
from datetime import timedelta
from functools import lru_cache

import structlog
from sqlmodel import col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import Forbidden, Unauthenticated
from onramp_app.domain.networks import Network, is_within, network_of
from onramp_app.ledger import audit
from onramp_app.programs import keys
from onramp_app.programs.errors import InsufficientScope
from onramp_app.programs.tables import ApiKey, ProgramRow
from onramp_app.programs.views import Program
from onramp_app.programs.words import Scope
from onramp_app.throttle import throttle

# A use is noted this often: a write with each request would cost more than most requests.
NOTED_EVERY = timedelta(minutes=1)
_log = structlog.get_logger(__name__)


async def admit(key: str, *, scope: Scope, address: str) -> Program:
    """Return the program whose key came with a request.

    A wrong key, one of another form and one that has ended get the same answer, and the right key of somebody
    who shares a network with a guesser goes on working.

    Raises:
        Unauthenticated: this is no key, or none that works.
        Forbidden: the key does not work from this address.
        InsufficientScope: the key is not for this.
        RateLimited: too many wrong keys from this network, or too many requests of this program.
        DatabaseUnavailable: nobody can be let in.
    """
    given = keys.read(key)
    row, program = await _found(given, address) if given is not None else (None, None)
    if row is None or program is None:
        await throttle.attempt(throttle.KEY_GUESS, network_of(address))
        raise refusal()
    if not _may_come_from(row, address):
        _log.warning("a key was used from an address that it is not for", key_id=row.id)
        await _note_refused(row, address)
        raise Forbidden("This key does not work from this address.")
    await throttle.attempt(throttle.of_program(row.requests_per_minute), program.id)
    scopes = frozenset(map(Scope, row.scopes))
    if scope not in scopes:
        raise InsufficientScope(f"This key lacks the scope `{scope}`.", extra={"scope": scope.value})
    return Program(program.id, program.name, row.id, scopes, address)


def refusal() -> Unauthenticated:
    """Return the refusal of a key, which does not say what is wrong with it."""
    return Unauthenticated("Send an API key that works: `Authorization: Bearer amk_…`.")


async def _found(given: keys.GivenKey, address: str) -> tuple[ApiKey, ProgramRow] | tuple[None, None]:
    async with transaction() as db:
        query = select(ApiKey, ProgramRow).join(ProgramRow, col(ProgramRow.id) == col(ApiKey.program_id))
        row, program = (await db.exec(query.where(ApiKey.id == given.key_id))).first() or (None, None)
        now = clock.now()
        if (
            not keys.is_right(given.secret, row.secret_hash if row else None)
            or row is None
            or program is None
        ):
            return None, None
        if row.ends_at is not None and row.ends_at <= now:
            return None, None
        if _may_come_from(row, address) and (
            row.last_used_at is None or row.last_used_at <= now - NOTED_EVERY
        ):
            await _note_use(db, row.id, address)
    return row, program


async def _note_use(db: AsyncSession, key_id: str, address: str) -> None:
    # Asked again, so that of many requests at once the first one writes.
    now = clock.now()
    last = col(ApiKey.last_used_at)
    await db.exec(
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, or_(last.is_(None), last <= now - NOTED_EVERY))
        .values(last_used_at=now, last_used_from=address[:45])
        .execution_options(synchronize_session=False)
    )


async def _note_refused(row: ApiKey, address: str) -> None:
    async with transaction() as db:
        await audit.write_own(
            db,
            audit.Act.API_KEY_REFUSED,
            actor=f"key:{row.id}",
            user_id=row.program_id,
            at=clock.now(),
            detail={"key": row.id},
            address=address,
        )


def _may_come_from(row: ApiKey, address: str) -> bool:
    return not row.networks or is_within(address, _networks(tuple(row.networks)))


@lru_cache(maxsize=256)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))
