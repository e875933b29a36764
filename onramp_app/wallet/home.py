"""Reads everything that the home page shows, in one go: it is read most often, and for every push."""

import asyncio
from collections.abc import Collection

import structlog

from onramp_app.accounts.views import Viewer
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.pricing.rates import book_after, read_stored
from onramp_app.top_ups import views
from onramp_app.wallet import balances, history, repeat, transactions
from onramp_app.wallet.views import WalletView

RECENT = 6

_log = structlog.get_logger(__name__)


class Wallets:
    """The wallets of the people that one push goes to, all read together when the first one is asked for."""

    def __init__(self, viewers: Collection[Viewer]) -> None:
        self._viewers = viewers
        self._reading = asyncio.Lock()
        self._read: dict[str, WalletView] | None = None
        self._is_together = len(viewers) > 1

    async def of(self, viewer: Viewer) -> WalletView:
        """Return everything that the viewer's home page shows.

        Raises:
            KeyError: there are several people, and the viewer is not among them.
            DatabaseUnavailable: the wallets could not be read.
        """
        if self._is_together:
            async with self._reading:
                await self._read_together()
        if self._read is not None:
            return self._read[viewer.user_id]
        return (await _read([viewer]))[viewer.user_id]

    async def _read_together(self) -> None:
        if self._read is not None or not self._is_together:
            return
        try:
            self._read = await _read(self._viewers)
        except DatabaseUnavailable:
            raise
        except Exception:  # noqa: BLE001  # one unreadable wallet must not block all the others
            _log.warning("wallets could not be read together", exc_info=True)
            self._is_together = False


async def _read(viewers: Collection[Viewer]) -> dict[str, WalletView]:
    user_ids = [viewer.user_id for viewer in viewers]
    async with transaction() as db:
        holdings = await balances.read(db, user_ids)
        movements = await history.read(db, user_ids)
        open_top_ups = await views.read_open(db, user_ids)
        recent = await transactions.newest(db, user_ids, limit=RECENT)
        last = await repeat.read(db, user_ids)
        stored = await read_stored(db)
    # Outdated rates are read anew from the provider, outside the transaction, so that none waits for that.
    needs_rates = any(holdings[one].available or movements[one].changes for one in user_ids)
    book = await book_after(stored) if needs_rates else None
    return {
        viewer.user_id: WalletView(
            balances=balances.view_of(viewer, holdings[viewer.user_id], book),
            open_top_ups=open_top_ups[viewer.user_id],
            recent=recent[viewer.user_id],
            history=history.course(movements[viewer.user_id], book, currency=viewer.display_currency),
            last=last.get(viewer.user_id),
        )
        for viewer in viewers
    }
