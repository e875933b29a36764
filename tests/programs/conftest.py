"""An owner's connection, to write programs and to look at what they left."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.rows import Owner


@pytest.fixture
def owner(database: str) -> Iterator[Owner]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
