"""The API and its people, and an owner's connection to write programs and to look at what they left."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.api.conftest import ada, bo, client, new_person, wallet
from tests.rows import Owner

__all__ = ["ada", "bo", "client", "new_person", "wallet"]


@pytest.fixture
def owner(database: str) -> Iterator[Owner]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
