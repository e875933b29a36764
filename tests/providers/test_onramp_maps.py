"""The tables of coins, chains and currencies agree with the documentation and with ISO 4217 and 3166."""

from onramp_app.providers.onramp.maps import (
    CHAIN_SYMBOLS,
    COIN_SYMBOLS,
    FIAT_TYPES,
    currency_of_fiat_type,
)
from onramp_app.providers.status import Flow


def test_the_fiat_table_agrees_with_the_documentation(sample) -> None:
    documented = {
        row["fiat_type"]: (row["symbol"], row["buy"], row["sell"]) for row in sample("fiat_types.json")
    }
    assert {
        n: (row.symbol, row.can_buy, Flow.SELL in row.flows) for n, row in FIAT_TYPES.items()
    } == documented


def test_currencies_are_iso_4217_and_countries_iso_3166() -> None:
    assert [currency_of_fiat_type(n) for n in (17, 34, 41, 42, 19, 1)] == [
        "ZAR",
        "TWD",
        "XAF",
        "XAF",
        "XAF",
        "INR",
    ]
    assert currency_of_fiat_type(13) is currency_of_fiat_type(None) is None
    assert all(row.currency.isupper() and len(row.currency) == 3 for row in FIAT_TYPES.values())
    assert all(row.country.isupper() and len(row.country) == 2 for row in FIAT_TYPES.values())
    pairs = [(row.currency, row.country) for row in FIAT_TYPES.values()]
    assert len(set(pairs)) == len(pairs)


def test_currencies_without_cents_have_no_decimals() -> None:
    assert {c for row in FIAT_TYPES.values() if row.decimals == 0 for c in [row.currency]} == {
        *("VND", "CLP", "JPY", "KRW", "PYG", "RWF", "UGX", "XAF", "XOF"),
        "NGN",  # has kobo, which the provider does not accept
    }
    assert [row.country for row in FIAT_TYPES.values() if row.currency == "USD"] == ["US", "EC", "PA", "SV"]


def test_the_starting_maps_hold_the_documented_ids() -> None:
    assert {CHAIN_SYMBOLS[n] for n in (0, 1, 2, 3, 4, 10, 13, 15)} >= {"matic20", "matic20-test", "ton"}
    assert (COIN_SYMBOLS[54], COIN_SYMBOLS[116], COIN_SYMBOLS[0]) == ("usdt", "usdc", "btc")
