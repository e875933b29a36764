"""JSON as the provider signs and sends it: the same bytes, exact numbers, and hostile text refused."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.domain.exact_json import (
    NotJson,
    array_items,
    member_text,
    plain_decimal,
    read_json,
    read_json_bytes,
    write_json,
)
from onramp_app.providers.onramp.http.signing import payload_of, signature_of, signed_headers
from onramp_app.providers.onramp.wire import amount_or_none, decimal_or_none, int_or_none, text_or_none

numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda d: len(str(d)) < 40 and abs(d.adjusted()) < 30
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=20) | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def test_the_signature_vectors_hold(sample) -> None:
    for vector in sample("signature_vectors.json")["vectors"]:
        assert signature_of(vector["payload"].encode(), vector["secret"]) == vector["signature"]


@pytest.mark.parametrize(("index", "style"), [(0, "x-onramp"), (2, "x-onramp"), (3, "plain")])
def test_we_write_the_same_bytes_as_the_vectors(sample, index: int, style) -> None:
    vector = sample("signature_vectors.json")["vectors"][index]
    body = json.loads(vector["json"])["body"]
    assert payload_of(body, 1700000000000, style=style) == vector["payload"]
    headers = signed_headers(body, 1700000000000, api_key="k", secret=vector["secret"], style=style)
    assert vector["signature"] in headers.values()


def test_the_signature_changes_with_every_byte_of_the_payload(sample) -> None:
    vector = sample("signature_vectors.json")["vectors"][0]
    payload = vector["payload"].encode()
    changed = {
        signature_of(payload[:i] + bytes([payload[i] ^ 1]) + payload[i + 1 :], vector["secret"])
        for i in range(len(payload))
    }
    assert vector["signature"] not in changed
    assert len(changed) == len(payload)


@given(numbers)
def test_a_number_survives_both_ways_exactly(number: Decimal) -> None:
    written = write_json({"a": number})
    assert "e" not in written.lower().replace('"a"', "")
    back = read_json(written)
    assert isinstance(back, dict)
    assert decimal_or_none(back["a"]) == number
    assert not isinstance(back["a"], float)


@given(values)
def test_any_value_survives_writing_and_reading(value) -> None:
    assert read_json(write_json(value)) == value


@given(st.text(alphabet='{}[]",:.-+eE0123456789 \\nNaIfinytru\x00\ud800', max_size=60))
def test_reading_hostile_text_gives_a_value_or_our_refusal(text: str) -> None:
    try:
        value = read_json(text)
    except NotJson:
        return
    assert not isinstance(value, float)


@given(st.text(max_size=60) | st.integers() | numbers | st.booleans() | st.none())
def test_field_readers_never_raise_and_never_make_a_float(value) -> None:
    for reader in (decimal_or_none, amount_or_none):
        found = reader(value)
        assert found is None or (isinstance(found, Decimal) and found.is_finite())
    assert isinstance(int_or_none(value), int | None)
    assert isinstance(text_or_none(value), str | None)


def test_a_float_would_have_lost_what_decimal_keeps() -> None:
    text = "0.1234567890123456789012345678901234567"
    assert plain_decimal(read_json(text)) == text
    assert str(json.loads(text)) != text  # The control: the ordinary parser does lose it.


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "1e999999999", "1e-999999999", "1e61"),
        *("1" * 5000, "0." + "1" * 5000, "[" * 100_000, '{"a":' * 50_000),
        *("", "{", '{"a":1}x'),
    ],
)
def test_absurd_json_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        read_json(text)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(NotJson):
        read_json_bytes(b'{"a":"\xff"}')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (250, Decimal(250)),
        ("250", Decimal(250)),
        (" 2.61 ", Decimal("2.61")),
        (Decimal("2.610"), Decimal("2.610")),
        ("1e3", Decimal(1000)),
        (
            Decimal("12345678901234567890.123456789012345678"),
            Decimal("12345678901234567890.123456789012345678"),
        ),
        (True, None),
        (None, None),
        ("", None),
        ("-1", None),
        (-1, None),
        ("NaN", None),
        ("Infinity", None),
        ("1,000", None),
        ("١٢", None),
        ("0x10", None),
        ("1e99999", None),
        ("9" * 200, None),
        ([1], None),
    ],
)
def test_amounts_are_read_exactly_or_not_at_all(value, expected) -> None:
    assert amount_or_none(value) == expected


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "", "x" * 300, 1.5, ["a"], None, True])
def test_text_a_database_would_refuse_counts_as_unreadable(value) -> None:
    assert text_or_none(value) is None


def test_array_items_keep_their_untouched_text() -> None:
    text = '{"status": 1, "data" : [ {"a": 1.10, "b":"]"} ,\n{"a":2},[ ] ], "code":200}'
    items = array_items(text, "data")
    assert [raw for raw, _ in items] == ['{"a": 1.10, "b":"]"}', '{"a":2}', "[ ]"]
    assert items[0][1] == {"a": Decimal("1.10"), "b": "]"}
    assert member_text(text, "code") == "200"


@given(st.lists(values, max_size=5), values)
def test_cutting_out_items_agrees_with_parsing(items, other) -> None:
    text = json.dumps({"x": 1})[:-1] + ', "data" : ' + write_json(items) + ',"z":' + write_json(other) + "}"
    assert [value for _, value in array_items(text, "data")] == items
    assert [read_json(raw) for raw, _ in array_items(text, "data")] == items


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", '{"data":{}}', '{"data":[1', '{"other":[]}', '{"data":[1 2']
)
def test_items_of_something_else_are_refused(text: str) -> None:
    with pytest.raises(NotJson):
        array_items(text, "data")
