"""Options, quotes and exchange rates over the API, against the real simulator."""

import asyncio
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from sqlmodel import select

from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.locks import Lock
from onramp_app.domain import clock
from onramp_app.domain.shares import asked_from, asker
from onramp_app.pricing import rates
from onramp_app.pricing.rates import get_rates
from onramp_app.pricing.tables import ExchangeRate
from onramp_app.providers.connection import get_provider
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.running import lifecycle
from tests.money import WANTED
from tests.people import Person
from tests.simulator.process import Process

pytestmark = pytest.mark.usefixtures("simulator")
RATES = "/api/exchange-rates"
LONG_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND state <> 'idle' AND clock_timestamp() - xact_start > interval '0.7 s'
"""


def sent(simulator: Process) -> Counter[str]:
    """Return the number of requests to each endpoint since the reset, by the last segment of its path."""
    items = simulator.control("requests", method="GET")["items"]
    return Counter({row["path"].rpartition("/")[2]: int(row["total"]) for row in items})


async def get_rates_of(client: httpx.AsyncClient, base: str, symbols: str, **headers: str) -> httpx.Response:
    return await client.get(RATES, params={"base": base, "symbols": symbols}, headers=headers)


async def ask_quote(client: httpx.AsyncClient, person: Person, **changes: Any) -> httpx.Response:
    return await client.post("/api/quotes", json={**WANTED, **changes}, headers=person.headers)


def age(database: str, minutes: int, where: str = "true") -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        statement = f"UPDATE exchange_rates SET as_of = as_of - interval '{minutes} minutes' WHERE {where}"
        owner.execute(statement.encode())


async def test_options_name_what_can_be_chosen_with_a_currency(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/options", params={"fiat_currency": "INR"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {"status", "currencies", "methods", "assets", "limits", "meter"}
    assert (found["status"]["state"], found["status"]["since"]) == ("ok", None)
    assert found["status"]["text"] == "Onramp is working normally."
    rupee = next(row for row in found["currencies"] if row["code"] == "INR")
    assert rupee == {
        "code": "INR",
        "country": "IN",
        "name": "Indian Rupee",
        "decimals": 2,
        "active": True,
        "reason": None,
    }
    assert found["methods"] == [
        {"code": "UPI", "kind": "instant", "published_time": "instant", "min": "100", "max": "500000"},
        {"code": "IMPS", "kind": "bank_transfer", "published_time": "instant", "min": "100", "max": "500000"},
    ]
    tether = next(row for row in found["assets"] if row["network"] == "matic20" and row["asset"] == "USDT")
    assert Decimal(tether.pop("min")) > 0
    assert tether == {"asset": "USDT", "network": "matic20", "decimals": 6}
    assert found["limits"] == {"min": "100", "max": "500000"}
    closed = next(row for row in found["currencies"] if row["code"] == "THB")
    assert not closed["active"]
    assert closed["reason"]


async def test_the_meter_of_options_is_the_callers(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITS", '{"currency": "INR", "none": {"per_day": "9000"}}')
    get_settings.cache_clear()
    query = {"fiat_currency": "INR"}
    outside = await client.get("/api/options", params=query)
    own = await client.get("/api/options", params=query, headers=ada.headers)
    assert [line["rule"] for line in outside.json()["meter"]] == ["method", "provider", "provider"]
    assert own.json()["meter"][-1] == {
        "rule": "tier", "period": "day", "currency": "INR", "min": None, "max": "9000", "used": "0",
        "left": "9000", "raised_by": "basic", "binds": True,
    }  # fmt: skip
    assert [line["min"] for line in outside.json()["meter"]] == ["100", None, None]
    binding = [[line["rule"] for line in found.json()["meter"] if line["binds"]] for found in (outside, own)]
    assert binding == [["method"], ["tier"]]
    assert outside.json()["limits"] == own.json()["limits"]
    kept = [answer.headers["cache-control"] for answer in (outside, own)]
    assert (kept, own.headers["vary"]) == (["public, max-age=15", "no-store"], "Authorization, Cookie")
    bad = await client.get("/api/options", params=query, headers={"Authorization": "Bearer nonsense"})
    assert (bad.status_code, bad.json()["code"]) == (401, "unauthenticated")
    client.cookies.set("session", "an old one")
    assert (await client.get("/api/options", params=query)).status_code == 200


async def test_options_without_a_currency_hold_the_currencies_alone(client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/options")).json()
    assert len(found["currencies"]) > 40
    assert (found["methods"], found["assets"], found["limits"]) == ([], [], None)


async def test_the_country_chooses_among_several_entries(client: httpx.AsyncClient) -> None:
    methods = {}
    for country in ("US", "EC"):
        query = {"fiat_currency": "USD", "country": country}
        methods[country] = (await client.get("/api/options", params=query)).json()["methods"]
    assert [row["code"] for row in methods["US"]] == ["WIRE", "ACH"]
    assert methods["EC"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"fiat_currency": "ABC"}, "unsupported_currency"),
        ({"fiat_currency": "inr"}, "validation_failed"),
        ({"fiat_currency": "INR" * 2000}, "validation_failed"),
        ({"fiat_currency": "INR", "country": "India"}, "validation_failed"),
    ],
)
async def test_what_options_cannot_answer_is_refused(
    client: httpx.AsyncClient, query: dict[str, str], code: str
) -> None:
    answer = await client.get("/api/options", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_quote_has_every_fee_and_an_end(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await ask_quote(client, ada, fiat_amount="1000.50")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {"rate", "fiat_amount", "expected_amount", "fees", "expires_at"}
    assert set(found["fees"]) == {"provider", "gateway", "network", "client"}
    assert found["fiat_amount"] == "1000.5"
    money = [found["rate"], found["expected_amount"], *found["fees"].values()]
    assert all(isinstance(text, str) and Decimal(text) >= 0 for text in money)
    worth = Decimal(found["expected_amount"]) * Decimal(found["rate"])
    assert Decimal(990) < worth + sum(map(Decimal, found["fees"].values())) < Decimal(1001)
    left = datetime.fromisoformat(found["expires_at"]) - clock.now()
    assert 20 < left.total_seconds() <= 30
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fiat_currency": "ABC"}, "unsupported_currency"),
        ({"asset": "DOGE"}, "unsupported_asset"),
        ({"network": "trc20"}, "unsupported_asset"),
        ({"payment_method": "PIX"}, "unsupported_payment_method"),
        ({"fiat_amount": "1000.001"}, "validation_failed"),
        ({"fiat_amount": "0"}, "validation_failed"),
        ({"fiat_amount": 1000}, "validation_failed"),
        ({"fiat_amount": "1e3"}, "validation_failed"),
        ({"fiat_amount": "9" * 40}, "validation_failed"),
        ({"fiat_amount": "-5"}, "validation_failed"),
        ({"asset": ["USDT"]}, "validation_failed"),
        ({"payment_method": "U" * 65}, "validation_failed"),
        ({"surprise": 1}, "validation_failed"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_quoted_is_refused(
    client: httpx.AsyncClient, ada: Person, change: dict[str, Any], code: str
) -> None:
    answer = await ask_quote(client, ada, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_an_amount_outside_the_limits_is_told_them(client: httpx.AsyncClient, ada: Person) -> None:
    found = (await ask_quote(client, ada, fiat_amount="500000.01")).json()
    assert found["code"] == "amount_out_of_limits"
    assert Decimal(found["min"]) >= 100
    assert found["max"] == "500000"


async def test_a_quote_needs_a_user(client: httpx.AsyncClient, simulator: Process) -> None:
    answer = await client.post("/api/quotes", json=WANTED)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert not sent(simulator)


async def test_one_person_cannot_use_up_everybodys_quotes(client: httpx.AsyncClient, ada: Person) -> None:
    answers = [await ask_quote(client, ada) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["code"] == "rate_limited"


async def test_the_provider_away_is_503_with_a_time_to_come_back(
    client: httpx.AsyncClient, simulator: Process, ada: Person
) -> None:
    simulator.scenario("api_down", times=None)
    for answer in (await client.get("/api/options"), await ask_quote(client, ada)):
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
        assert int(answer.headers["retry-after"]) >= 1


async def test_rates_say_what_one_unit_buys(client: httpx.AsyncClient) -> None:
    answer = await get_rates_of(client, "INR", "USDT,USD,ETH,INR")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {"base", "as_of", "source", "stale", "rates"}
    assert (found["base"], found["source"], found["stale"]) == ("INR", "onramp", False)
    assert list(found["rates"]) == ["USDT", "USD", "ETH", "INR"]
    assert found["rates"]["INR"] == "1"
    assert Decimal("0.008") < Decimal(found["rates"]["USDT"]) < Decimal("0.02")
    # The inverse is the price of the asset, which is not a stablecoin.
    ether = (await get_rates_of(client, "ETH", "INR")).json()["rates"]["INR"]
    assert Decimal(ether) > 100_000
    assert abs(Decimal(ether) * Decimal(found["rates"]["ETH"]) - 1) < Decimal("1e-9")


@pytest.mark.parametrize(
    ("base", "symbols", "field"),
    [
        ("XYZ", "USDT", "base"),
        ("INR", "USDT,XYZ", "symbols"),
        ("inr", "USDT", "base"),
        ("INR", "", "symbols"),
        ("INR", "USDT,", "symbols"),
        ("INR", ",".join(["USDT"] * 51), "symbols"),
        ("INR", "U" * 5000, "symbols"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_an_unknown_symbol_is_named(
    client: httpx.AsyncClient, base: str, symbols: str, field: str
) -> None:
    answer = await get_rates_of(client, base, symbols)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["field"] == field


async def test_the_same_answer_is_304_until_it_changes(client: httpx.AsyncClient, database: str) -> None:
    first = await get_rates_of(client, "INR", "USDT")
    tag = first.headers["etag"]
    for seen in (tag, f'"other", W/{tag}', "*"):
        again = await get_rates_of(client, "INR", "USDT", **{"If-None-Match": seen})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await get_rates_of(client, "INR", "USD", **{"If-None-Match": tag})
    assert other.status_code == 200
    age(database, 3)
    changed = await get_rates_of(client, "INR", "USDT", **{"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_rates_are_kept_in_the_database_and_read_again_after_five_minutes(
    client: httpx.AsyncClient, database: str
) -> None:
    async def as_of() -> str:
        found = (await get_rates_of(client, "INR", "USDT")).json()
        assert not found["stale"]
        return str(found["as_of"])

    first = await as_of()
    await lifecycle.disconnect()  # As in another process, which has only the database.
    assert await as_of() == first
    age(database, 4)
    kept = await as_of()
    assert kept < first
    assert get_rates()._reading is None
    age(database, 2)
    assert await as_of() < kept, "nobody waits for what is not stale yet"
    assert get_rates()._reading is not None
    await get_rates()._reading
    assert await as_of() > first


async def test_old_rates_are_marked_stale_while_the_provider_is_away_and_end_after_a_day(
    client: httpx.AsyncClient, simulator: Process, database: str
) -> None:
    await get_rates_of(client, "INR", "USDT")
    await lifecycle.disconnect()  # Quotes are shared for some seconds; a new connection has none.
    simulator.scenario("api_down", times=None)
    age(database, 14)
    assert not (await get_rates_of(client, "INR", "USDT")).json()["stale"]
    age(database, 2)
    found = await get_rates_of(client, "INR", "USDT")
    assert (found.status_code, found.json()["stale"]) == (200, True)
    age(database, 24 * 60)
    gone = await get_rates_of(client, "INR", "USDT")
    assert (gone.status_code, gone.json()["code"]) == (503, "provider_unavailable")
    assert int(gone.headers["retry-after"]) >= 1


async def test_a_price_of_an_earlier_reading_keeps_its_own_age(
    client: httpx.AsyncClient, database: str
) -> None:
    await get_rates_of(client, "INR", "USDT")
    age(database, 60, where="symbol = 'TRY'")
    assert (await get_rates_of(client, "INR", "TRY")).json()["stale"]
    assert not (await get_rates_of(client, "INR", "USDT,USD")).json()["stale"]


async def test_while_the_provider_is_away_it_is_not_asked_by_everybody_who_asks_us(
    client: httpx.AsyncClient, simulator: Process
) -> None:
    simulator.scenario("api_down", times=None)
    assert (await get_rates_of(client, "INR", "USDT")).status_code == 503
    await asyncio.sleep(1)  # Retries of that reading's other requests are still in flight.
    tried = sent(simulator)
    for _ in range(5):
        assert (await get_rates_of(client, "INR", "USDT")).status_code == 503
    assert sent(simulator) == tried
    get_rates()._rests_until = 0  # Control: without the rest period the next one asks again.
    assert (await get_rates_of(client, "INR", "USDT")).status_code == 503
    assert sent(simulator) != tried


@pytest.fixture
def two_readers() -> list[rates.RatesReader]:
    """The rates readers of two processes of the fleet, which coordinate only through the database."""
    options = get_rates()._options
    return [rates.RatesReader(get_provider(), options, assets=["ETH"]) for _ in range(2)]


async def test_one_process_of_the_fleet_reads_the_rates(
    simulator: Process, two_readers: list[rates.RatesReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = 0
    read = rates.read_rates

    async def counted(*given: Any, **named: Any) -> Any:
        nonlocal readings
        readings += 1
        return await read(*given, **named)

    monkeypatch.setattr(rates, "read_rates", counted)
    first, second = await asyncio.gather(*(reader.book() for reader in two_readers))
    assert first == second
    assert readings == 1


async def test_who_begins_a_reading_needs_no_share_of_their_own_for_it(
    simulator: Process, two_readers: list[rates.RatesReader]
) -> None:
    with asked_from("203.0.113.7"):
        somebody = asker()
        rate = get_provider()._transport._rate
        per_minute = get_provider()._transport._limits.requests_per_minute
        while rate.take("quotes", per_minute, somebody) is None:
            pass
        book = await two_readers[0].book()
    assert {"INR", "TRY"} <= book.per_stable.keys()


async def test_no_transaction_is_open_while_the_provider_is_asked(
    simulator: Process, database: str, two_readers: list[rates.RatesReader]
) -> None:
    simulator.scenario("api_slow", times=3, value=1)
    reading = asyncio.create_task(two_readers[0].book())
    holders = 0
    with psycopg.connect(database, autocommit=True) as owner:
        while not reading.done():
            await asyncio.sleep(0.05)
            assert owner.execute(LONG_TRANSACTIONS).fetchone() == (0,)
            found = owner.execute("SELECT count(*) FROM leases WHERE name = 'rates' AND until > now()")
            holders = max(holders, found.fetchone()[0])
        assert holders == 1, "it was seen while it read"
        async with transaction() as db:  # Control: a transaction that lasts this long is seen.
            await db.exec(select(ExchangeRate))
            await asyncio.sleep(0.8)
            assert owner.execute(LONG_TRANSACTIONS).fetchone() == (1,)
    assert (await reading).per_stable


async def test_who_cannot_have_the_lease_leaves_the_reading_to_its_holder(
    simulator: Process,
    database: str,
    two_readers: list[rates.RatesReader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "_LEASE_WAIT_SECONDS", 0.1)
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("INSERT INTO leases VALUES ('rates', 'another', now() + interval '1 hour')")
        with pytest.raises(ProviderUnavailable):
            await two_readers[0].book()
        assert not sent(simulator)
        holder.execute("UPDATE leases SET until = now()")
    assert (await two_readers[1].book()).per_stable, "it ends also where its holder was stopped"
    assert (await two_readers[0].book()).per_stable


async def test_who_reads_orders_does_not_keep_the_rates_from_being_read(
    database: str, two_readers: list[rates.RatesReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "_LEASE_WAIT_SECONDS", 0.1)
    with psycopg.connect(database, autocommit=True) as holder:
        for lock in Lock:
            holder.execute("SELECT pg_advisory_lock(%s)", (lock,))
        holder.execute("INSERT INTO leases VALUES ('reader', 'another', now() + interval '1 hour')")
        assert (await two_readers[0].book()).per_stable


async def test_a_simulators_prices_stay_with_the_simulator(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await get_rates_of(client, "INR", "USDT")).status_code == 200
    assert await rates.stored_book() is not None
    monkeypatch.setenv("ONRAMP_API_URL", "https://provider.invalid")
    get_settings.cache_clear()
    assert await rates.stored_book() is None
