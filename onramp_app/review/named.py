"""Finds what an operator names: an order by the provider's id, a person by the id of their account."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import Flow


async def purchase(db: AsyncSession, order_id: str) -> OrderRecord:
    """Return the buy order with the provider's id, locked until the transaction ends. Raises `NotFound`."""
    query = select(OrderRecord).where(
        OrderRecord.environment == current_environment().value,
        OrderRecord.flow == Flow.BUY.value,
        OrderRecord.order_id == order_id,
    )
    # `key_share` lets others reference the order: a decision that locks the top-up books for this order.
    locked = query.with_for_update(key_share=True)
    order = (await db.exec(locked)).first() if "\x00" not in order_id else None
    if order is None:
        raise NotFound("The provider has no purchase with this id.")
    return order


async def person(db: AsyncSession, user_id: str) -> User:
    """Return the person with this account, locked against changes until the transaction ends.

    Raises:
        ValidationFailed: `user_id` is not an id.
        NotFound: there is no such account.
    """
    if not is_id(user_id):
        message = "Give the id of the account, which its owner finds on their profile page."
        raise ValidationFailed(
            "An account is named by its id: an address may change or be unconfirmed.",
            errors=(FieldError("user_id", message),),
        )
    user = (await db.exec(select(User).where(User.id == user_id).with_for_update(read=True))).first()
    if user is None:
        raise NotFound("There is no account with this id.")
    return user
