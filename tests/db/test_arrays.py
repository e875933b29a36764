"""Arrays written as text come back from the database unchanged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onramp_app.db import arrays

# What PostgreSQL can store: no NUL, no lone surrogates.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
lists = st.tuples(
    st.lists(st.none() | texts | st.sampled_from(["NULL", "null", "", "{}", '"', "\\", ",", " a "])),
    st.lists(st.binary()),
    st.lists(st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3.5))]))),
    st.lists(st.booleans()),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
)


@pytest.fixture(scope="module")
def connection(database_of_the_file: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_of_the_file, options="-c TimeZone=UTC", autocommit=True) as opened:
        yield opened


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists)
def test_what_goes_in_comes_out(
    connection: psycopg.Connection,
    columns: tuple[list[str | None], list[bytes], list[datetime | None], list[bool], list[int | None]],
) -> None:
    written = [
        write(values)  # type: ignore[operator]
        for write, values in zip(
            (arrays.of_texts, arrays.of_bytes, arrays.of_moments, arrays.of_booleans, arrays.of_numbers),
            columns,
            strict=True,
        )
    ]
    read = connection.execute(
        "SELECT %s::text[], %s::bytea[], %s::timestamptz[], %s::boolean[], %s::bigint[]", written
    ).fetchone()
    assert read == columns
