"""What an operator decides about a person's verification."""

from dataclasses import dataclass

from sqlmodel import select

from onramp_app.accounts import fields
from onramp_app.accounts.tables import User
from onramp_app.domain import clock
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.verification.machine import Standing, fault_of, is_raise
from onramp_app.verification.steps import Said, lock_person, standing_of, write_step
from onramp_app.verification.words import Source

ACTION = "verification.set"


@dataclass(frozen=True, slots=True)
class Decided:
    """Where the person stands now."""

    user_id: str
    status: str
    tier: str


async def set_standing(email: str, wanted: Standing, *, mandate: Mandate) -> Decided:
    """Say where a person stands. It counts until an operator says otherwise or the person goes on from it.

    With `FOUR_EYES_ABOVE` set a second operator confirms what lets the person do more: a tier is worth
    whatever its limits are, so there is no amount to compare. What takes away is done at once.

    Raises:
        ValidationFailed: this is not an email address, or status and tier do not go together.
        NotFound: there is no such account.
        ActionNotPossible: the person stands there already.
        Forbidden, SecondOperatorNeeded: as `operators.deciding`.
    """
    email = fields.clean({"email": email})["email"]
    if (fault := fault_of(wanted)) is not None:
        raise ValidationFailed("Status and tier do not fit.", errors=(FieldError("tier", fault),))
    async with deciding(mandate) as operator:
        found = (await operator.db.exec(select(User.id).where(User.email == email))).first()
        if found is None:
            raise NotFound("There is no account with this email.")
        user = await lock_person(operator.db, found)
        before = standing_of(user)
        if before == wanted:
            raise ActionNotPossible(f"{user.email} is {_words(wanted)} already.")
        deed = Deed(
            ACTION,
            user.id,
            concerns=frozenset({user.id}),
            moves=None if is_raise(before, wanted) else (),
            state={"before": _words(before), "after": _words(wanted)},
        )
        await operator.authorise(deed)
        at = clock.now()
        said = Said(Source.OPERATOR, actor=operator.id, reason=operator.reason)
        write_step(operator.db, user, wanted, said=said, at=at)
        operator.write_audit(at=at, detail={"before": _words(before), "after": _words(wanted)})
    announce_changes([found])
    return Decided(found, wanted.status.value, wanted.tier.value)


def _words(standing: Standing) -> str:
    return f"{standing.status.value} {standing.tier.value}"
