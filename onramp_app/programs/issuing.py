"""Makes, replaces and ends the keys of programs: what operators decide, and what they see of it."""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.words import Role
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import new_id
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import ADMINS, Mandate, Operator, deciding, is_another
from onramp_app.programs import keys
from onramp_app.programs.powers import Changes, Powers, clean_name
from onramp_app.programs.tables import ApiKey, ProgramRow
from onramp_app.programs.views import KeyView, NewKey, ProgramView

_log = structlog.get_logger(__name__)


async def create(name: str, powers: Powers, *, mandate: Mandate) -> NewKey:
    """Make a program and its first key, which is shown this once.

    A key can move people's money, so an admin makes it, and with `FOUR_EYES_ABOVE` set a second operator
    confirms it, as with roles. The one who confirms gets to see it.

    Raises:
        ValidationFailed: the name cannot be used.
        ActionNotPossible: there is a program of this name.
        Forbidden, NotFound, SecondOperatorNeeded, ValidationFailed: as `operators.mandate.deciding`.
    """
    name = clean_name(name)
    async with deciding(mandate, roles=ADMINS) as operator:
        if await _named(operator.db, name) is not None:
            raise ActionNotPossible("There is a program of this name. `api-keys rotate` gives it a new key.")
        await operator.authorise(
            Deed("api_key.created", name, moves=await _moves(operator), state=powers.words)
        )
        program = ProgramRow(name=name, created_at=clock.now())
        operator.db.add(program)
        await operator.db.flush()
        made = await _make(operator, program, powers)
    _log.info("api key made", program_id=made.program_id, key_id=made.key_id)
    return made


async def rotate(
    name: str,
    *,
    keep_old: timedelta,
    changes: Changes,
    mandate: Mandate,
) -> NewKey:
    """Give a program a new key, with the powers of its newest one except for the changes.

    The keys that work go on working for `keep_old` at most; one that was to end earlier still does. A program
    whose keys have all ended gets one again, and is the same program.

    Raises:
        NotFound: there is no such program.
        Forbidden, NotFound, SecondOperatorNeeded, ValidationFailed: as `operators.mandate.deciding`.
    """
    async with deciding(mandate, roles=ADMINS) as operator:
        program, kept = await _locked(operator.db, name)
        newest = kept[0]
        before = Powers(tuple(newest.scopes), tuple(newest.networks), newest.requests_per_minute)
        powers = changes.made_to(before)
        state = {**powers.words, "after": newest.id, "keep_old": str(keep_old)}
        await operator.authorise(
            Deed("api_key.rotated", program.id, moves=await _moves(operator), state=state)
        )
        ended = _end(kept, clock.now() + keep_old)
        made = await _make(operator, program, powers, keep_old=str(keep_old), ended=ended)
    _log.info("api key rotated", program_id=made.program_id, key_id=made.key_id)
    return made


async def revoke(which: str, *, mandate: Mandate) -> list[str]:
    """End a key, or all keys of a program, at once. Returns their ids.

    It takes power away and is urgent, so any operator does it alone.

    Args:
        which: the name of a program, the id of a key, or a key itself, as it was found somewhere.
        mandate: the operator, the reason and the code.

    Raises:
        NotFound: there is neither such a program nor such a key.
        ActionNotPossible: what it names has ended before.
        Forbidden, NotFound, ValidationFailed: as `operators.mandate.deciding`.
    """
    async with deciding(mandate) as operator:
        found = await _which(operator.db, which)
        now = clock.now()
        if not any(_works(key, now) for key in found):
            raise ActionNotPossible("It has ended before.")
        await operator.authorise(
            Deed("api_key.revoked", found[0].program_id, state={"keys": ",".join(key.id for key in found)})
        )
        ended = _end(found, now)
        operator.write_audit(at=now, detail={"keys": ended})
    _log.info("api keys revoked", key_ids=ended)
    return ended


async def listed() -> list[ProgramView]:
    """Return all programs with their keys, in the order of their names."""
    async with transaction() as db:
        programs = (await db.exec(select(ProgramRow).order_by(col(ProgramRow.name)))).all()
        found = (await db.exec(select(ApiKey).order_by(col(ApiKey.made_at).desc(), col(ApiKey.id)))).all()
    now = clock.now()
    views = {one.id: ProgramView(one.id, one.name, one.created_at, keys=()) for one in programs}
    for key in found:
        view = views[key.program_id]
        views[key.program_id] = replace(view, keys=(*view.keys, _view(key, now)))
    return list(views.values())


async def _moves(operator: Operator) -> tuple[()] | None:
    # A key has no worth to compare, so it needs a second operator wherever there is one.
    other = await is_another(operator.db, Role.OPERATOR, Role.ADMIN, than=operator.id)
    return None if other else ()


async def _make(operator: Operator, program: ProgramRow, powers: Powers, **detail: object) -> NewKey:
    secret, now = keys.new_secret(), clock.now()
    key = ApiKey(
        id=new_id(),
        program_id=program.id,
        secret_hash=keys.hash_of(secret),
        scopes=list(powers.scopes),
        networks=list(powers.networks),
        requests_per_minute=powers.requests_per_minute,
        made_at=now,
    )
    operator.db.add(key)
    operator.write_audit(
        at=now, subject=program.id, detail={"name": program.name, "key": key.id, **powers.words, **detail}
    )
    return NewKey(program.id, program.name, key.id, keys.written(key.id, secret))


def _works(key: ApiKey, now: datetime) -> bool:
    return key.ends_at is None or key.ends_at > now


def _end(found: list[ApiKey], at: datetime) -> list[str]:
    """Let keys work until `at` at most. Returns the ids of those that would have worked for longer."""
    changed = [key for key in found if _works(key, at)]
    for key in changed:
        key.ends_at = at
    return [key.id for key in changed]


async def _named(db: AsyncSession, name: str) -> ProgramRow | None:
    return (await db.exec(select(ProgramRow).where(ProgramRow.name == name).with_for_update())).first()


async def _locked(db: AsyncSession, name: str) -> tuple[ProgramRow, list[ApiKey]]:
    """Return a program with its keys, the newest first; nobody else makes or ends one of them meanwhile."""
    program = await _named(db, name.strip())
    if program is None:
        raise NotFound("There is no program of this name. `api-keys list` names them.")
    query = select(ApiKey).where(ApiKey.program_id == program.id).with_for_update()
    newest_first = query.order_by(col(ApiKey.made_at).desc(), col(ApiKey.id).desc())
    return program, list((await db.exec(newest_first)).all())


async def _which(db: AsyncSession, which: str) -> list[ApiKey]:
    given = keys.read(which.strip())
    key_id = given.key_id if given else which.strip()
    key = (await db.exec(select(ApiKey).where(ApiKey.id == key_id).with_for_update())).first()
    if given and key is None:  # The text is never looked up as a name: it is a secret.
        raise NotFound("There is no such key.")
    return [key] if key is not None else (await _locked(db, which))[1]


def _view(key: ApiKey, now: datetime) -> KeyView:
    return KeyView(
        key_id=key.id,
        scopes=tuple(key.scopes),
        networks=tuple(key.networks),
        requests_per_minute=key.requests_per_minute,
        made_at=key.made_at,
        ends_at=key.ends_at,
        last_used_at=key.last_used_at,
        last_used_from=key.last_used_from,
        works=_works(key, now),
    )
