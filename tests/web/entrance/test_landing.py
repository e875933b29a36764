"""The rate on the landing page: from the stored rates, in the visitor's currency, and never outdated."""

import pytest

from onramp_app.web.entrance.landing import landing
from onramp_app.web.entrance.landing_state import LandingState

LOAD = LandingState.event_handlers["load"]


async def _rate(open_tab, language: str) -> tuple[str, str]:
    tab = open_tab(path="/", language=language)
    await tab.send(LOAD)
    page = await tab.state(LandingState)
    return page.rate, page.rate_as_of


@pytest.mark.parametrize(
    ("language", "rate"),
    [
        ("en-IN,en;q=0.9", "1 USDT = 80.00 INR"),
        ("de-DE", "1 USDT = 0.9200 EUR"),
        ("en", "1 USDT = 80.00 INR"),
        ("en-US", "1 USDT = 80.00 INR"),
        ("ar-SA", "1 USDT = 80.00 INR"),
        ("xx-\0" + "A" * 10_000, "1 USDT = 80.00 INR"),
        ("", "1 USDT = 80.00 INR"),
    ],
)
async def test_the_rate_is_that_of_the_visitors_country_where_it_is_known(books, open_tab, language, rate):
    books.owner.execute(
        "INSERT INTO exchange_rates SELECT environment, 'EUR', 0.92, as_of FROM exchange_rates LIMIT 1"
    )
    assert (await _rate(open_tab, language))[0] == rate


async def test_an_old_rate_is_not_shown(books, open_tab):
    books.owner.execute("UPDATE exchange_rates SET as_of = now() - interval '16 minutes'")
    assert await _rate(open_tab, "en-IN") == ("", "")


async def test_without_rates_nothing_is_shown(database, open_tab):
    assert await _rate(open_tab, "en-IN") == ("", "")


def test_the_picture_is_named_an_example_and_takes_no_focus():
    page = str(landing())
    assert page.count("inert:true") == 1
    assert "made-up numbers" in page
