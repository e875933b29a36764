"""One trace spans two processes: an instance accepts the webhook, a worker reads the order and credits."""

import os
import subprocess
import sys

import pytest

from onramp_app.config import PROJECT_DIR
from tests.collector import running_collector
from tests.crediting.world import SET_WEBHOOK, World
from tests.ports import free_port
from tests.served import answers, served
from tests.simulator.process import Process


def _worker(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "onramp_app", "worker"], cwd=PROJECT_DIR, env=environment)


@pytest.mark.full
async def test_a_webhook_of_one_process_is_credited_by_another_in_one_trace(
    database: str, simulator: Process
) -> None:
    world = World(database, simulator)
    top_up = world.top_up(world.user())
    port = free_port()
    with running_collector() as collector:
        values = {
            "ONRAMP_API_URL": simulator.base,
            "ONRAMP_POLL_SECONDS": "3600",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        environment = {**os.environ, **values, "APP_ENV": "test", "WORKER_PORT": str(port)}
        with served(database, BACKGROUND_WORK="off", **values) as url:
            worker = _worker(environment)
            try:
                await world.until(lambda: answers(f"http://127.0.0.1:{port}/api/health/ready"), seconds=60)
                simulator.data(SET_WEBHOOK, {"webhookUrl": f"{url}/api/webhooks/onramp"})
                await world.is_read_once()
                simulator.move(world.open_order(top_up), 4)
                await world.ends(top_up, "settled")
                await world.until(lambda: "credit" in {span.name for span in collector.spans})
            finally:
                worker.terminate()
                worker.wait(20)
    (credit,) = (span for span in collector.spans if span.name == "credit")
    of_it = {
        span.name: span.resource["onramp_app.role"] for span in collector.spans if span.trace == credit.trace
    }
    assert of_it == {"webhook": "instance", "inbox": "worker", "read": "worker", "credit": "worker"}
    world.owner.close()
