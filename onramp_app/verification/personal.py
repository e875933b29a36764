"""What verification holds about a person, and what it forgets when they close their account."""

import secrets

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.personal import Part
from onramp_app.verification.tables import VerificationCustomer

# An operator's reason and id are not shown: the law forbids to tell somebody that they are suspected.
PARTS = (
    Part(
        name="verification",
        shows={
            "at": "verification_steps.at",
            "from_status": "verification_steps.from_status",
            "to_status": "verification_steps.to_status",
            "from_tier": "verification_steps.from_tier",
            "to_tier": "verification_steps.to_tier",
            "source": "verification_steps.source",
            "word": "verification_steps.word",
        },
        source="verification_steps",
        whose="verification_steps.user_id = :user_id",
        order=("verification_steps.id",),
    ),
    Part(
        name="verification_customers",
        shows={
            "environment": "verification_customers.environment",
            "customer_id": "verification_customers.customer_id",
            "is_proven": "verification_customers.is_proven",
            "last_word": "verification_customers.last_word",
            "made_at": "verification_customers.made_at",
            "read_at": "verification_customers.read_at",
        },
        source="verification_customers",
        whose="verification_customers.user_id = :user_id",
        order=("verification_customers.user_id",),
    ),
)


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
