"""The entrance pages show reasons in words, keep typed values, and redirect only within the site."""

import base64
import json

import pytest

from onramp_app.config import get_settings
from onramp_app.web.entrance.page import register
from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.tabs.shapes import initials_of
from tests.web.conftest import cookie_of

LOAD = EntranceState.event_handlers["load"]


def _flash(**typed: str) -> str:
    return "form=" + base64.urlsafe_b64encode(json.dumps(typed).encode()).decode()


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        ("invalid_credentials", "message"),
        ("rate_limited", "message"),
        ("something_new", "message"),
        ("email_taken", "email_problem"),
        ("weak_password", "password_problem"),
    ],
)
async def test_a_reason_is_said_in_words_where_it_belongs(database, open_tab, reason, field):
    tab = open_tab(_flash(email="a@b.example", country="IN"), path=f"/register?reason={reason}")
    await tab.send(LOAD)
    page = await tab.state(EntranceState)
    said = {name: getattr(page, name) for name in ("message", "email_problem", "password_problem")}
    assert [name for name, text in said.items() if text] == [field]
    assert reason not in said[field]
    assert (page.email, page.country) == ("a@b.example", "IN")


async def test_a_visit_without_a_reason_says_nothing(database, open_tab):
    tab = open_tab(path="/login")
    await tab.send(LOAD)
    page = await tab.state(EntranceState)
    assert (page.message, page.email_problem, page.password_problem, page.next) == ("", "", "", "/home")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/%5Cevil.example", "x", ""])
async def test_only_own_places_are_carried_on(database, open_tab, wanted):
    tab = open_tab(path=f"/login?next={wanted}")
    await tab.send(LOAD)
    page = await tab.state(EntranceState)
    assert (page.next, page.carried) == ("/home", "")


async def test_an_own_place_is_carried_to_the_other_page(database, open_tab):
    tab = open_tab(path="/login?next=/profile")
    await tab.send(LOAD)
    page = await tab.state(EntranceState)
    assert (page.next, page.carried) == ("/profile", "?next=%2Fprofile")


async def test_whoever_is_signed_in_goes_on(new_account, open_tab):
    tab = open_tab(cookie_of(await new_account()), path="/login?next=/profile")
    await tab.hydrate()
    assert (await tab.send(LOAD)).leads_to == "/profile"


@pytest.mark.parametrize("country", [None, 7, [], {}, "", "ZZ", "in", "x" * 9999])
async def test_a_country_that_is_none_proposes_nothing(database, open_tab, country):
    tab = open_tab(path="/register")
    await tab.send(EntranceState.event_handlers["propose_currency"], country)
    assert (await tab.state(EntranceState)).display_currency == ""


@pytest.mark.parametrize(
    ("name", "email", "initials"),
    [
        ("Ada King", "a@b.c", "AK"),
        ("Ada", "a@b.c", "A"),
        ("Ada of the Hill", "", "AH"),
        ("", "z@b.c", "Z"),
        ("", "", ""),
    ],
)
def test_initials(name, email, initials):
    assert initials_of(name, email) == initials


def test_registration_names_what_the_operator_has_written_and_nothing_else(monkeypatch):
    monkeypatch.setenv("PRIVACY_URL", "https://hafen.example/privacy")
    get_settings.cache_clear()
    assert "https://hafen.example/privacy" in str(register())
    assert "you agree" not in str(register())
    assert "mailto:" not in str(register())
    monkeypatch.setenv("SUPPORT_EMAIL", "help@hafen.example")
    get_settings.cache_clear()
    assert "mailto:help@hafen.example?subject=" in str(register())
    monkeypatch.setenv("TERMS_URL", "https://hafen.example/terms")
    get_settings.cache_clear()
    page = str(register())
    assert page.index("By creating an account you agree to the") < page.index("https://hafen.example/terms")
