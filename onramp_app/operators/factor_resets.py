"""What an operator does for somebody who has lost every second factor and all recovery codes."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import select

from onramp_app.accounts import fields, links
from onramp_app.accounts.tables import User
from onramp_app.domain import clock
from onramp_app.domain.errors import NotFound
from onramp_app.factors import factors, resets
from onramp_app.ledger import audit
from onramp_app.mail.words import MailKind
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding


@dataclass(frozen=True, slots=True)
class ResetAsked:
    """When the account's factors are removed, unless its owner signs in with one before."""

    user_id: str
    due_at: datetime


async def ask_reset(email: str, *, mandate: Mandate) -> ResetAsked:
    """Let all second factors of an account be removed in 24 hours, and write to its owner.

    Raises:
        ValidationFailed: this is not an email address.
        NotFound: there is no such account.
        ActionNotPossible: the account has no second factor, or the removal was asked for before.
        Forbidden: as `operators.deciding`; also for the operator's own account.
    """
    email = fields.clean({"email": email})["email"]
    async with deciding(mandate) as operator:
        query = select(User).where(User.email == email).with_for_update()
        user = (await operator.db.exec(query)).first()
        if user is None:
            raise NotFound("There is no account with this email.")
        if not await factors.has_factor(operator.db, user.id):
            raise ActionNotPossible("This account has no second factor.")
        deed = Deed(audit.Act.FACTORS_RESET_ASKED.value, user.id, concerns=frozenset({user.id}))
        await operator.authorise(deed)
        due_at = await resets.ask(operator.db, user.id, asked_by=operator.id)
        if due_at is None:
            raise ActionNotPossible("The removal was asked for before and has not ended yet.")
        details = {"due_at": due_at.isoformat(timespec="seconds")}
        kind, event = MailKind.FACTORS_RESET_ASKED, f"{user.id}/{details['due_at']}"
        await links.write_mail(operator.db, user, kind, details=details, event=event)
        operator.write_audit(at=clock.now(), detail=details)
    return ResetAsked(user.id, due_at)
