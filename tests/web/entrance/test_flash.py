"""The `form` cookie comes from a browser: whatever stands in it, a page still opens."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.web.entrance.flash import read_flash


def _cookie(value: object) -> str:
    return "form=" + base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_typed_values_come_back_without_any_password():
    header = "session=abc; " + _cookie({"email": "a@b.c", "display_name": "Zoë", "password": "hunter22"})
    assert read_flash(header) == {"email": "a@b.c", "display_name": "Zoë"}


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
    assert read_flash(header) == {}


@given(st.text(max_size=300))
def test_no_header_breaks_the_page(header: str):
    assert all(isinstance(value, str) for value in read_flash(header).values())
    assert all(isinstance(value, str) for value in read_flash(f"form={header}").values())
