"""A webhook is credited exactly once, despite duplicates, forged bodies, killed processes and outages."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from onramp_app.config import PROJECT_DIR
from onramp_app.db.direct import connect
from tests.crediting.test_scenarios import delivered_of
from tests.crediting.world import World
from tests.ports import free_port
from tests.signed_webhooks import PATH, event_of, headers_of


def _client(url: str) -> httpx.AsyncClient:
    # Loading the CA certificates, which plain http never uses, would cost 40 ms of processor time.
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=False)


async def test_one_webhook_sent_fifty_times_at_once_credits_once(world: World) -> None:
    user = world.user()
    top_up = world.top_up(user)
    world.simulator.scenario("lost_webhook")
    order = world.open_order(top_up)
    world.simulator.move(order, 4)
    event = event_of(order)
    headers, body = headers_of(event), json.dumps(event)
    async with world.running() as url, _client(url) as client:
        answers = await asyncio.gather(*(client.post(PATH, headers=headers, content=body) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        await world.ends(top_up, "settled")
    assert world.balance(user) == (delivered_of(world, order), 0)
    assert world.one("SELECT count(*) FROM ledger_transfers") == 1


async def test_a_valid_header_with_the_body_of_another_order_credits_nothing_and_silences_nothing(
    world: World,
) -> None:
    users = [world.user(), world.user()]
    top_ups = [world.top_up(user) for user in users]
    world.simulator.scenario("lost_webhook", times=None)
    orders = [world.open_order(top_up) for top_up in top_ups]
    world.simulator.move(orders[1], 2)
    headers = headers_of(event_of(orders[0]))
    async with world.running() as url, _client(url) as client:
        forged = await client.post(PATH, headers=headers, json=event_of(orders[1], actualCryptoAmount=10**6))
        assert forged.status_code == 200
        assert world.one("SELECT differs FROM webhook_events")
        await world.ends(top_ups[1], "processing")
        assert world.balance(users[1]) == (0, 0)
        # The real event, under the same header, is stored next to the forged one.
        real = await client.post(PATH, headers=headers, json=event_of(orders[0]))
        assert real.status_code == 200
        assert world.one("SELECT count(*) FROM webhook_events") == 2
        for order in orders:
            world.simulator.move(order, 4)
        for top_up in top_ups:
            await world.ends(top_up, "settled")
    for user, order in zip(users, orders, strict=True):
        assert world.balance(user) == (delivered_of(world, order), 0)


async def test_a_webhook_is_credited_within_seconds_although_nothing_is_polled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "3600")
    user = world.user()
    top_up = world.top_up(user)
    listener = await connect("test")
    await listener.execute("LISTEN user_changed")
    async with world.running():
        await asyncio.sleep(1)
        world.simulator.move(world.open_order(top_up), 4)
        began = time.monotonic()
        settled = await world.ends(top_up, "settled", seconds=5)
        assert time.monotonic() - began < 5
        # It is announced just after the commit, so the application still has to be running.
        changed = [notification.payload async for notification in listener.notifies(timeout=20, stop_after=1)]
    assert settled["best_order_id"] is not None
    assert world.one("SELECT source FROM top_up_steps WHERE status = 'settled'") == "webhook_read"
    await listener.close()
    assert changed == [user]


def start_worker(log: Path, port: int) -> "subprocess.Popen[bytes]":
    seen = {"LOG_FORMAT": "json", "LOG_LEVEL": "info", "WORKER_PORT": str(port)}
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "onramp_app", "worker"],
            cwd=PROJECT_DIR,
            env={**os.environ, "APP_ENV": "test", **seen},
            stdout=subprocess.DEVNULL,
            stderr=output,
        )


@pytest.mark.parametrize(
    ("payments", "killed_at"),
    [
        pytest.param(24, (2, 4), id="twice"),
        pytest.param(60, (1, 2, 4), id="three times", marks=pytest.mark.full),
    ],
)
async def test_a_worker_that_is_killed_again_and_again_loses_nothing_and_repeats_nothing(
    world: World, tmp_path: Path, payments: int, killed_at: tuple[int, ...]
) -> None:
    users = [world.user() for _ in range(3)]
    top_ups = [world.top_up(users[number % 3]) for number in range(payments)]
    orders = [world.open_order(top_up) for top_up in top_ups]

    def move_all(status: int) -> None:
        for order in orders:
            world.simulator.move(order, status)

    def is_begun() -> bool:
        return bool(world.rows("SELECT FROM provider_orders LIMIT 1"))

    def somebody_reads() -> bool:
        return bool(world.one("SELECT until > clock_timestamp() FROM leases WHERE name = 'reader'"))

    world.simulator.scenario("lost_webhook", times=None)
    rng = random.Random(7)
    log, port = tmp_path / "worker.log", free_port()
    worker = start_worker(log, port)
    try:
        await world.until(is_begun, seconds=30)
        for status in killed_at:
            moving = asyncio.create_task(asyncio.to_thread(move_all, status))
            await asyncio.sleep(rng.uniform(0.1, 1.2))
            worker.kill()
            worker.wait()
            worker = start_worker(log, port)
            await moving
        await world.until(
            lambda: world.one("SELECT count(*) FROM top_ups WHERE status = 'settled'") == payments, seconds=40
        )
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            state = (await client.get(f"http://127.0.0.1:{port}/api/health/status")).json()
        assert state["checks"]["database"] == {"status": "ok", "reason": ""}
        assert somebody_reads(), "the control"
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 10) == 0
        assert not somebody_reads(), "it gives back its lease, so that the next one need not wait"
    finally:
        worker.kill()
        worker.wait()
    # It obeys LOG_FORMAT and LOG_LEVEL: one JSON document per line, with events of level info.
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert (events.count("worker begins"), events.count("worker ends")) == (1, 1)
    assert world.one("SELECT count(*) FROM ledger_transfers") == payments
    assert sum(world.balance(user)[0] for user in users) == sum(delivered_of(world, o) for o in orders)


async def test_an_outage_of_the_database_is_503_and_heals_without_help(
    world: World, postgres_server: str
) -> None:
    top_ups = [world.top_up(world.user()) for _ in range(10)]
    orders = [world.open_order(top_up) for top_up in top_ups]
    name = world.database.rpartition("/")[2]
    acknowledged: set[int] = set()
    world.simulator.scenario("lost_webhook", times=None)

    def run_as_superuser(statement: str) -> None:
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    async with world.running() as url, _client(url) as client:

        async def send(order: int) -> int:
            answer = await client.post(PATH, headers=headers_of(event_of(order)), json=event_of(order))
            if answer.status_code == 200:
                acknowledged.add(order)
            return answer.status_code

        assert await send(orders[0]) == 200
        run_as_superuser(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        run_as_superuser(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{name}' AND application_name LIKE 'onramp_app%'"
        )
        for order in orders:
            world.simulator.move(order, 4)
        during = await asyncio.gather(*(send(order) for order in orders))
        assert set(during) == {503}
        await asyncio.sleep(2)
        run_as_superuser(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        began = time.monotonic()
        after = await asyncio.gather(*(send(order) for order in orders))
        assert set(after) == {200}
        assert time.monotonic() - began < 5
        for top_up in top_ups:
            await world.ends(top_up, "settled")
    stored = {int(row["order_id"]) for row in world.rows("SELECT order_id FROM webhook_events")}
    assert acknowledged == stored == set(orders)
