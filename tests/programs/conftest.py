"""Fixtures: the API and its people, and an owner's connection to write programs and inspect results."""

import pytest

from tests.api.conftest import ada, bo, client, new_person, wallet
from tests.databases import owner_of
from tests.rows import Owner

__all__ = ["ada", "bo", "client", "new_person", "wallet"]


@pytest.fixture
def owner(database: str) -> Owner:
    return owner_of(database)
