"""Reads without the provider: records of orders, stored and applied as the application does."""

import json
from datetime import datetime
from typing import Any

from onramp_app.crediting.apply import AppliedRound, apply_some, retry_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.domain.clock import now
from onramp_app.domain.environment import Environment
from onramp_app.provider_orders.records import keep_orders
from onramp_app.providers.onramp.orders import read_order
from onramp_app.providers.port import ProviderOrder
from onramp_app.providers.status import Flow
from tests.crediting.world import MATIC_ADDRESS, World


def order_of(order_id: int, status: int, *, flow: Flow = Flow.BUY, **fields: Any) -> ProviderOrder:
    """Return the provider's record of an order, of 10 USDT for one of our addresses by default."""
    content = {
        "orderId": order_id,
        "status": status,
        "walletAddress": MATIC_ADDRESS,
        "coinId": 54,
        "chainId": 3,
        "fiatType": 1,
        "fiatAmount": 1000,
        "paymentType": 1,
        "expectedCryptoAmount": 10,
        "actualCryptoAmount": "10.5",
        "gasFee": 0.5,
        "createdAt": "2026-03-01T12:00:00.000Z",
        **fields,
    }
    order = read_order(json.loads(json.dumps(content), parse_float=str), raw=json.dumps(content), flow=flow)
    assert order is not None
    return order


def recognition_id(world: World, top_up_id: str) -> str:
    return str(world.one("SELECT recognition_id FROM widget_sessions WHERE top_up_id = %s", top_up_id))


async def keep(*orders: ProviderOrder, asked_at: datetime | None = None) -> int:
    return await keep_orders(orders, environment=Environment.SIMULATOR, asked_at=asked_at or now())


async def apply_all() -> AppliedRound:
    """Apply orders until none is left that may be applied now. Returns the totals."""
    total = AppliedRound()
    while True:
        rounds = await apply_some(DOCUMENTED), await retry_some(DOCUMENTED)
        for applied in rounds:
            total.orders += applied.orders
            total.failed += applied.failed
            total.users |= applied.users
        if not any(applied.orders for applied in rounds):
            return total


async def keep_and_apply(*orders: ProviderOrder) -> AppliedRound:
    await keep(*orders)
    return await apply_all()
