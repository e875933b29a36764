"""Payments that a restore loses are recovered from the provider's history; unknown ones go to suspense."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.domain.clock import now
from tests import rows
from tests.backup.conftest import Target
from tests.crediting.world import World
from tests.people import operator_code
from tests.simulator.process import Process


def _run(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def test_payments_since_the_backup_are_credited_again_from_the_providers_history(
    database: str, simulator: Process, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = (now() - timedelta(hours=1)).isoformat()
    first = World(database, simulator)
    person, operator = first.user(), first.user()
    rows.grant_role(first.owner, operator)
    before, open_then = first.top_up(person), first.top_up(person)
    simulator.move(first.open_order(before), 4, actualCryptoAmount="11")
    _run("reconcile", "--since", since)
    file = tmp_path / "wallet.backup"
    _run("backup", str(file))

    later = first.top_up(person)
    simulator.move(first.open_order(open_then), 4, actualCryptoAmount="10.9")
    unknown = first.open_order(later)
    simulator.move(unknown, 4, actualCryptoAmount="10.8")
    _run("reconcile", "--since", since)
    all_of_it = first.balance(person)
    assert [first.state(one)["status"] for one in (before, open_then, later)] == ["settled"] * 3
    first.owner.close()

    assert target.restore(file).exit_code == 0
    monkeypatch.setenv("DATABASE_URL", target.url)
    get_settings.cache_clear()
    restored = World(target.url, simulator)
    assert restored.balance(person) < all_of_it
    found = _run("reconcile", "--since", since)
    assert (found["provider_orders"], found["booked_orders"], found["drifts"]) == (3, 3, [])
    assert [restored.state(one)["status"] for one in (before, open_then)] == ["settled"] * 2
    # For the third, the wallet knows neither the top-up nor its owner.
    assert restored.open_cases() == ["suspense"]
    with psycopg.connect(target.url, autocommit=True) as owner:
        code = operator_code(owner, operator)
    who = ("--reason", "bank slip", "--by", f"{operator}@example.org", "--code", code)
    _run("review", "attribute", str(unknown), person, "--yes", *who)
    assert restored.balance(person) == all_of_it
    assert _run("verify-ledger")["findings"] == []
    restored.owner.close()
