"""What the home page shows, read at one go: it is what pages ask for most, and what every push asks for."""

from onramp_app.db.engine import transaction
from onramp_app.domain.views import Viewer, WalletView
from onramp_app.services import balance_history, balances, top_ups, transactions
from onramp_app.services.rates import read_stored
from onramp_app.services.worth import book_after

RECENT = 6


async def get(viewer: Viewer) -> WalletView:
    """Return what the person has, what is on its way, what happened last and how the balance came to be.

    Raises:
        DatabaseUnavailable: it could not be read.
    """
    async with transaction() as db:
        holdings = await balances.read(db, viewer.user_id)
        moves = await balance_history.read(db, viewer.user_id)
        open_top_ups = await top_ups.read_open(db, viewer.user_id)
        recent = await transactions.newest(db, viewer.user_id, limit=RECENT)
        stored = await read_stored(db)
    # Where they are too old the provider is waited for, which no transaction does.
    book = await book_after(stored) if holdings.available or moves.changes else None
    return WalletView(
        balances=balances.view_of(viewer, holdings, book),
        open_top_ups=open_top_ups,
        recent=recent,
        history=balance_history.course(moves, book, currency=viewer.display_currency),
    )
