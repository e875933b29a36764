"""Fixtures: the books of one test."""

import pytest

from tests.ledger.books import Books


@pytest.fixture
def books(database: str) -> Books:
    return Books(database)
