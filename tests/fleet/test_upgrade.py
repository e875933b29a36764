"""An upgrade while money moves: the steps of docs/operations.md, with two instances behind a proxy."""

import asyncio
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.db.engine import transaction
from onramp_app.ledger.verification import verify_ledger
from tests.fleet.conftest import METRICS_TOKEN
from tests.fleet.proxies import proxied
from tests.fleet.releases import NEXT, Place, next_release, release_before
from tests.money import WANTED
from tests.people import PASSWORD
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.simulator.process import PATIENT, Process

PEOPLE = 12
SET_WEBHOOK = "/onramp/api/v1/merchant/setWebhookUrl"
SETTLED_WITHIN_SECONDS = 30
# A migration blocks others for as long as it waits itself: one second for each lock that they need.
WAITS_SECONDS = 4
# The smallest fraction of requests answered 503 while a migration waits in a way that blocks everybody.
TURNED_AWAY = 0.2
# After a failure the proxies of `deploy/` try an instance again within this time.
PROXY_LOOKS_AGAIN_SECONDS = 5
_WAITS = """
SELECT pid FROM pg_stat_activity
 WHERE query LIKE 'ALTER TABLE%%' AND %s = ANY (pg_blocking_pids(pid))
"""

pytestmark = pytest.mark.full


@dataclass
class Answer:
    """The outcome of one request."""

    at: float
    seconds: float
    status: int
    what: str
    retry_after: str | None

    @property
    def is_allowed(self) -> bool:
        """Whether the request succeeded, was told when to retry, or met the limit of open top-ups."""
        return self.status in (200, 201, 409) or (self.status == 503 and self.retry_after is not None)


@dataclass
class Load:
    """People who open their wallet, create top-ups and pay, all through the proxy."""

    url: str
    provider: Process
    ending: threading.Event = field(default_factory=threading.Event)
    tokens: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    promised: set[str] = field(default_factory=set)
    paid: dict[int, str] = field(default_factory=dict)  # the provider's order, and the top-up it pays

    def client(self, person: int) -> httpx.Client:
        """Return a client with an IP address of its own, which the proxy forwards."""
        return httpx.Client(
            base_url=self.url, timeout=15, transport=httpx.HTTPTransport(local_address=f"127.0.{person}.2")
        )

    def register(self) -> None:
        for person in range(PEOPLE):
            body = {"email": f"p{secrets.token_hex(6)}@example.com", "password": PASSWORD, "country": "IN"}
            with self.client(person) as client:
                answer = client.post("/api/auth/register", json=body)
            assert answer.status_code == 201, answer.text
            self.tokens.append(answer.json()["access_token"])

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._run, args=(number,)) for number in range(PEOPLE)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.ending.set()
            for thread in threads:
                thread.join(30)

    def _run(self, person: int) -> None:
        time.sleep(person / 4)
        with self.client(person) as client:
            client.headers["Authorization"] = f"Bearer {self.tokens[person]}"
            while not self.ending.is_set():
                try:
                    self._ask(client, "GET", "/api/balances")
                    self._begin_and_pay(client)
                except (AssertionError, httpx.HTTPError) as error:
                    self.faults.append(f"{type(error).__name__} {error}")
                self.ending.wait(3)

    def _ask(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        """Retry a request until it is served, as a program that honors `Retry-After` does."""
        for _ in range(20):
            began = time.monotonic()
            answer = client.request(method, path, **more)
            took = time.monotonic() - began
            said = Answer(
                began, took, answer.status_code, f"{method} {path}", answer.headers.get("Retry-After")
            )
            self.answers.append(said)
            if said.status != 503 or said.retry_after is None:
                break
            time.sleep(min(1.0, float(said.retry_after)))
        return answer

    def _begin_and_pay(self, client: httpx.Client) -> None:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        top_up = self._ask(client, "POST", "/api/top-ups", json=WANTED, headers=headers).json()
        if top_up.get("code") == "too_many_open_top_ups":
            return  # Nothing is credited while the only worker is being replaced, so paid top-ups stay open.
        self.promised.add(top_up["id"])
        order = int(self.provider.control("orders", {"widget_url": top_up["widget_url"]})["orderId"])
        for status in (1, 2, 4):
            self.provider.control(f"orders/{order}", {"status": status})
        self.paid[order] = top_up["id"]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def since(self, moment: float) -> list[Answer]:
        return [answer for answer in self.answers if answer.at + answer.seconds >= moment]


@dataclass
class Fleet:
    """Two instances and a worker of the running release, behind nginx or Caddy, and people who use them."""

    places: list[Place]
    load: Load
    owner: psycopg.Connection[Any]
    before: Path

    @property
    def schemas(self) -> list[str]:
        """The newest migration known to the code of each process."""
        found = []
        for place in self.places:
            headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
            text = httpx.get(f"{place.url}/metrics", headers=headers).text
            found += [line for line in text.splitlines() if line.startswith("build_info")]
        return [line.partition('schema="')[2].partition('"')[0] for line in found]

    def wait_for_waiting(self, holder: psycopg.Connection[Any]) -> None:
        """Block until a migration waits for a lock that `holder` holds."""
        deadline = time.monotonic() + 40
        while not self.owner.execute(_WAITS, (holder.info.backend_pid,)).fetchall():
            assert time.monotonic() < deadline, "the migration waits for nothing"
            time.sleep(0.05)

    def wrong(self) -> list[str]:
        """Compare what was acknowledged, promised and paid with the books; return the differences."""
        rows = self.owner.execute(
            "SELECT o.order_id::bigint, count(*) FROM ledger_transfers t"
            " JOIN provider_orders o ON o.id = t.provider_order_id WHERE t.kind = 'receive' GROUP BY 1"
        ).fetchall()
        booked = dict(rows)
        acknowledged = {
            order["orderId"]
            for order in self.load.provider.orders()
            if any(hook["state"] == "delivered" for hook in order["webhooks"])
        }
        settled = {row[0] for row in self.owner.execute("SELECT id FROM top_ups WHERE status = 'settled'")}
        there = {row[0] for row in self.owner.execute("SELECT id FROM top_ups")}
        return [
            *(f"top-up {one} was promised and is gone" for one in self.load.promised - there),
            *(f"top-up {one} was paid and is not settled" for one in set(self.load.paid.values()) - settled),
            *(f"order {one} was acknowledged and is booked {booked.get(one, 0)} times"
              for one in acknowledged | self.load.paid.keys() if booked.get(one) != 1),
            *(f"{len(acknowledged)} of {len(self.load.paid)} webhooks were acknowledged"
              for _ in range(1) if not self.load.paid.keys() <= acknowledged),
        ]  # fmt: skip

    async def settle(self) -> None:
        began = time.monotonic()
        while wrong := await asyncio.to_thread(self.wrong):
            assert time.monotonic() - began < SETTLED_WITHIN_SECONDS, "\n".join(wrong)
            await asyncio.sleep(0.3)


@contextmanager
def running_fleet(folder: Path, database: str, proxy: str) -> Iterator[Fleet]:
    with ExitStack() as stack:
        redis = RedisServer()
        provider = Process(folder / "orders.sqlite", free_port(), PATIENT)
        for start, stop in ((redis.start, redis.kill), (provider.start, provider.kill)):
            start()
            stack.callback(stop)
        port = free_port()
        environment = {
            **os.environ,
            "APP_ENV": "test",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            # Not where they listen, which their places set, but where the simulator sends its webhooks.
            "REFLEX_BACKEND_PORT": str(port),
            "DATABASE_URL": database,
            "REDIS_URL": redis.url,
            "METRICS_TOKEN": METRICS_TOKEN,
            "TRUSTED_PROXY_HOPS": "1",
            "ONRAMP_API_URL": provider.base,
            "ONRAMP_WIDGET_URL": f"{provider.base}/main",
            "ONRAMP_POLL_SECONDS": "1",
            "ONRAMP_REQUESTS_PER_MINUTE": "10000",
            "REFLEX_ENV_MODE": "prod",
            "__REFLEX_SKIP_COMPILE": "true",
        }
        before = release_before(folder / "before")
        places = []
        for name in ("instance 1", "instance 2", "worker"):
            work = "on" if name == "worker" else "off"
            place = Place(name, {**environment, "BACKGROUND_WORK": work}, folder / f"{name}.log")
            places.append(place)
            stack.callback(place.kill)
            place.start(before)
        instances = [place.url for place in places[:2]]
        url = stack.enter_context(proxied(proxy, folder / proxy, instances, port=port))
        provider.data(SET_WEBHOOK, {"webhookUrl": f"{url}/api/webhooks/onramp"})
        load = Load(url, provider)
        load.register()
        owner = stack.enter_context(psycopg.connect(database, autocommit=True))
        yield Fleet(places, load, owner, before)


@contextmanager
def migrating(release: Path, place: Place, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the `migrate` command of a release while everything else keeps running."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "onramp_app", "migrate"],
            cwd=release, env=dict(place.environment), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass
class Migrated:
    """How people's requests fared while a migration ran."""

    longest_seconds: float
    turned_away: float  # fraction of all requests in that time, 0 to 1


def migrate_beside(fleet: Fleet, release: Path, folder: Path, *, database: str, seconds: float) -> Migrated:
    """Migrate while a report holds a lock on `top_ups` for `seconds` after the migration starts waiting."""
    log = folder / "migrate.log"
    with psycopg.connect(database) as report, migrating(release, fleet.places[0], log) as process:
        report.execute("SELECT count(*) FROM top_ups")
        fleet.wait_for_waiting(report)
        began = time.monotonic()
        time.sleep(seconds)
        assert process.poll() is None, log.read_text()
        answers = fleet.load.since(began)
        report.rollback()
        assert process.wait(30) == 0, log.read_text()
    return Migrated(
        max(answer.seconds for answer in answers),
        sum(answer.status == 503 for answer in answers) / len(answers),
    )


@pytest.mark.parametrize("proxy", ["nginx", "caddy"])
async def test_a_release_follows_another_while_people_pay(database: str, tmp_path: Path, proxy: str) -> None:
    following = next_release(tmp_path / "next")
    with running_fleet(tmp_path, database, proxy) as fleet:
        places, load = fleet.places, fleet.load
        with load.running():
            await asyncio.sleep(4)
            migrated = migrate_beside(fleet, following, tmp_path, database=database, seconds=8)
            await asyncio.sleep(2)
            assert NEXT not in fleet.schemas, "the release before goes on, on the schema of the next"
            took = []
            for place in places:
                took.append(place.end())
                place.start(following)
                await asyncio.sleep(PROXY_LOOKS_AGAIN_SECONDS)
        assert fleet.schemas == [NEXT] * 3
        await fleet.settle()
        async with transaction() as db:
            assert list(await verify_ledger(db)) == []
    sys.stdout.write(
        f"{proxy}: {len(load.paid)} payments, {dict(load.statuses)} answers, {migrated}, ends after"
        f" {', '.join(f'{one:.1f}' for one in took)} s\n"
    )
    assert load.faults == []
    assert [answer for answer in load.answers if not answer.is_allowed] == []
    assert migrated.longest_seconds < WAITS_SECONDS
    assert migrated.turned_away < TURNED_AWAY / 2
    assert len(load.paid) > 2 * PEOPLE


async def test_the_control_a_migration_that_waits_without_an_end_stops_everybody(
    database: str, tmp_path: Path
) -> None:
    following = next_release(tmp_path / "next", waits_for_locks="0")
    with running_fleet(tmp_path, database, "nginx") as fleet, fleet.load.running():
        await asyncio.sleep(4)
        migrated = migrate_beside(fleet, following, tmp_path, database=database, seconds=8)
    assert migrated.turned_away > TURNED_AWAY, migrated
