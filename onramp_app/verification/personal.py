"""What verification forgets about a person who closes their account."""

import secrets

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.verification.tables import VerificationCustomer


async def forget(db: AsyncSession, user_id: str) -> None:
    """Forget whom the provider knows a person as, so that nothing leads from the books to their documents.

    The history stays: it says how far somebody was verified, by whose word, and names nobody.
    """
    await db.exec(
        update(VerificationCustomer)
        .where(col(VerificationCustomer.user_id) == user_id)
        .values(
            client_customer_id=secrets.token_hex(16),  # The provider has the old one beside the documents.
            customer_id=None,
            is_proven=False,
            last_word=None,
            due_at=None,
        )
    )
