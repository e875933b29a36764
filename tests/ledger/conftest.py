"""The books of one test."""

from collections.abc import Iterator

import pytest

from tests.ledger.books import Books


@pytest.fixture
def books(database: str) -> Iterator[Books]:
    books = Books(database)
    yield books
    books.owner.close()
