"""Reads what one person's pages show; each piece of data is read once, however many tabs ask for it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Any, TypeVar, cast

from onramp_app.accounts.views import Viewer
from onramp_app.domain.errors import NotFound
from onramp_app.provider_orders import freshness
from onramp_app.top_ups import views
from onramp_app.top_ups.views import TopUpView
from onramp_app.wallet import balances, transactions
from onramp_app.wallet.home import Wallets
from onramp_app.wallet.transaction_queries import Filters
from onramp_app.wallet.views import BalancesView, TransactionView, TransferView, WalletView

_T = TypeVar("_T")


class Latest:
    """One person's data as of now. Make one for each event or push; several tasks may use it together."""

    def __init__(self, viewer: Viewer, wallets: Wallets | None = None) -> None:
        self.viewer = viewer
        self._wallets = wallets or Wallets([viewer])
        self._read: dict[Hashable, Any] = {}
        self._being_read: dict[Hashable, asyncio.Lock] = {}

    async def balances(self) -> BalancesView:
        """Return the person's balances."""
        return await self.once("balances", lambda: balances.get(self.viewer))

    async def open_top_ups(self) -> list[TopUpView]:
        """Return the open top-ups, newest first."""
        return await self.once("open", lambda: views.list_open(self.viewer))

    async def top_up(self, top_up_id: str) -> TopUpView | None:
        """Return one of the person's top-ups, or None."""

        async def read() -> TopUpView | None:
            try:
                return await views.get(self.viewer, top_up_id)
            except NotFound:
                return None

        return await self.once(("top-up", top_up_id), read)

    async def fresh_until(self, top_up_id: str) -> datetime | None:
        """Return the time up to which we know the provider's record of one of the person's top-ups."""
        return await self.once(
            ("fresh until", top_up_id), lambda: freshness.fresh_until(self.viewer, top_up_id)
        )

    async def transfer(self, transfer_id: str) -> TransferView | None:
        """Return one of the person's listed ledger transfers, or None."""

        async def read() -> TransferView | None:
            try:
                return await transactions.get_transfer(self.viewer, transfer_id)
            except NotFound:
                return None

        return await self.once(("transfer", transfer_id), read)

    async def wallet(self) -> WalletView:
        """Return everything that the home page shows."""
        return await self.once("wallet", lambda: self._wallets.of(self.viewer))

    async def transactions(
        self, filters: Filters, *, limit: int, cursor: str | None = None
    ) -> tuple[list[TransactionView], str | None]:
        """Return the newest transactions, or those after the cursor, and the cursor of the next page or None.

        Raises:
            ValidationFailed: the cursor is not from an earlier answer.
        """
        return await self.once(
            ("transactions", filters, limit, cursor),
            lambda: transactions.page(self.viewer, filters, limit=limit, cursor=cursor),
        )

    async def once(self, key: Hashable, read: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `read` returned under this key, calling it only the first time.

        Tabs that show the same data also share what they derive from it, under keys of their own.
        """
        async with self._being_read.setdefault(key, asyncio.Lock()):
            if key not in self._read:
                self._read[key] = await read()
        return cast("_T", self._read[key])
