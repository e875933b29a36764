"""The `form` cookie restores typed fields, and the page opens whatever the cookie contains."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.accounts.cookies import form_cookie_value, read_form_cookie


def _cookie(value: object) -> str:
    return "form=" + base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_typed_values_come_back_without_any_password():
    header = "session=abc; " + _cookie({"email": "a@b.c", "display_name": "Zoë", "password": "hunter22"})
    assert read_form_cookie(header) == {"email": "a@b.c", "display_name": "Zoë"}


@given(st.dictionaries(st.sampled_from(["email", "display_name", "country", "password"]), st.text()))
def test_what_one_side_writes_the_other_reads(typed: dict[str, str]):
    lengths = {"email": 254, "display_name": 80, "country": 2}
    kept = {name: typed[name][:length] for name, length in lengths.items() if name in typed}
    header = f"form={form_cookie_value(typed)}"
    assert read_form_cookie(header) == kept


@pytest.mark.parametrize(
    "header",
    [
        "",
        "form=",
        "form=%%%",
        "form=bm90IGpzb24",
        "form=" + "A" * 5000,
        "form=/w==",
        _cookie(["email"]),
        _cookie("email"),
        _cookie(None),
        _cookie({"email": 7, "country": ["IN"], "next": {"a": 1}}),
        _cookie({"email": "x" * 300}),
        "form=" + base64.urlsafe_b64encode(b"[" * 2000).decode(),
        "form=a; form",
        ";;;=;",
    ],
)
def test_anything_else_is_dropped(header: str):
    assert read_form_cookie(header) == {}


@given(st.text(max_size=300))
def test_no_header_breaks_the_page(header: str):
    assert all(isinstance(value, str) for value in read_form_cookie(header).values())
    assert all(isinstance(value, str) for value in read_form_cookie(f"form={header}").values())
