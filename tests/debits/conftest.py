"""Fixtures: the books of a shop that debits people, checked for soundness after each test."""

from collections.abc import AsyncIterator

import pytest

from tests.debits.shop import Shop
from tests.ledger.books import Books, findings


@pytest.fixture
async def control_shop(database: str) -> Shop:
    """A shop for the control variants, which must break the books."""
    books = Books(database)
    return Shop(books)


@pytest.fixture
async def shop(control_shop: Shop) -> AsyncIterator[Shop]:
    yield control_shop
    assert await findings() == []
