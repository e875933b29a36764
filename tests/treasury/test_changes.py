"""A change of the addresses that money is sent to is noticed at the next start."""

import asyncio
import json

import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.domain.environment import Environment
from onramp_app.running.lifecycle import web_instance
from onramp_app.treasury import changes
from onramp_app.treasury.changes import record_changes
from tests.ledger.books import findings

OURS, THEIRS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"


def _set(monkeypatch: pytest.MonkeyPatch, **addresses: list[dict[str, str]]) -> None:
    monkeypatch.setenv("ASSETS", '{"USDT": ["matic20"]}')
    monkeypatch.setenv("TREASURY_ADDRESSES", json.dumps(addresses))
    get_settings.cache_clear()


def _lines(database: str) -> list[tuple[str, str, dict[str, object]]]:
    with psycopg.connect(database) as owner:
        query = (
            "SELECT actor, subject, detail FROM audit_log WHERE action = 'treasury.addresses' ORDER BY at, id"
        )
        return [(actor, subject, json.loads(detail)) for actor, subject, detail in owner.execute(query)]


async def test_the_first_start_records_and_the_next_finds_nothing_new(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, matic20=[{"address": OURS}], bep20=[{"address": OURS, "memo": "7"}])
    assert await record_changes() == []
    assert [(actor, subject) for actor, subject, _ in _lines(database)] == [
        ("system", "treasury:simulator:bep20"),
        ("system", "treasury:simulator:matic20"),
    ]
    assert _lines(database)[0][2]["addresses"] == [{"address": OURS, "memo": "7"}]
    assert await record_changes() == []
    assert len(_lines(database)) == 2
    assert await findings() == [], "the lines are in the chain of the books"


@pytest.mark.parametrize(
    "changed",
    [
        [{"address": THEIRS}],
        [{"address": THEIRS}, {"address": OURS}],
        [{"address": OURS}, {"address": THEIRS}],
        [{"address": OURS, "memo": "1"}],
        [{"address": OURS, "until": "2099-01-01T00:00:00Z"}],
    ],
)
async def test_each_change_is_an_alarm_and_a_line_once(
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    changed: list[dict[str, str]],
) -> None:
    _set(monkeypatch, matic20=[{"address": OURS}])
    await record_changes()
    _set(monkeypatch, matic20=changed, erc20=[{"address": OURS}])
    counted = changes._CHANGES._value.get()
    assert await record_changes() == ["matic20"], "a network that is new is no change"
    assert changes._CHANGES._value.get() == counted + 1
    assert len(_lines(database)) == 3
    assert await record_changes() == []


async def test_a_network_that_was_taken_away_is_a_change_and_so_is_its_return(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"matic20": [{"address": OURS}], "bep20": [{"address": OURS}]}
    _set(monkeypatch, **both)
    await record_changes()
    _set(monkeypatch, matic20=[{"address": OURS}])
    assert await record_changes() == ["bep20"]
    assert await record_changes() == []
    assert _lines(database)[-1][1:] == (
        "treasury:simulator:bep20",
        {"sha256": _lines(database)[-1][2]["sha256"], "count": 0, "addresses": []},
    )
    _set(monkeypatch, **both)
    assert await record_changes() == ["bep20"]
    assert await record_changes() == []


async def test_what_another_environment_recorded_was_not_taken_away(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, matic20=[{"address": OURS}], bep20=[{"address": OURS}])
    await record_changes()
    monkeypatch.setattr(changes, "current_environment", lambda: Environment.SANDBOX)
    _set(monkeypatch, matic20=[{"address": THEIRS}])
    assert await record_changes() == []


async def test_a_start_records_them_and_two_at_once_record_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, matic20=[{"address": OURS}])
    async with web_instance(get_settings()):
        assert len(_lines(database)) == 1
    _set(monkeypatch, matic20=[{"address": THEIRS}])
    found = await asyncio.gather(*(record_changes() for _ in range(4)))
    assert sorted(found) == [[], [], [], ["matic20"]]
    assert len(_lines(database)) == 2


async def test_more_addresses_than_a_line_holds_are_recorded_in_part_and_compared_whole(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [{"address": f"{number:0128}"} for number in range(60)]
    _set(monkeypatch, matic20=many)
    await record_changes()
    _set(monkeypatch, matic20=[*many[:-1], {"address": THEIRS}])
    assert await record_changes() == ["matic20"]
    assert [line[2]["count"] for line in _lines(database)] == [60, 60]
