"""Every code block of the developers' guide works, against an application served over HTTP."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from onramp_app.domain.ids import new_id
from onramp_app.links import paying
from onramp_app.pricing.quotes import PurchaseRequest
from tests import rows
from tests.crediting.conftest import money_simulator, world
from tests.crediting.world import World
from tests.links.shop import payer_of
from tests.ports import free_port

__all__ = ["money_simulator", "world"]

_BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
_END = "-- the end of a block --"


class Shell:
    """A shell that runs the guide's blocks one after another."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, block: str) -> str:
        """Run a block. Returns its output."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{block}\necho; echo '{_END}'\n".encode())
        printed = []
        while (line := (await self._process.stdout.readline()).decode()).strip() != _END:
            assert line, "".join(printed)
            printed.append(line)
        return "".join(printed).strip()


@asynccontextmanager
async def _shell(folder: Path, environment: dict[str, str]) -> AsyncIterator[Shell]:
    command = ["bash", "-euo", "pipefail"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
    )
    yield Shell(process)
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


async def pay(world: World, link: str) -> None:
    """Pay through a link, as a person does on its page."""
    payer = await payer_of({"url": link})
    request = PurchaseRequest("INR", Decimal(1000), "USDT", "matic20", "UPI")
    top_up_id = await paying.begin(payer, request, expected_amount=Decimal("11.25"), review=new_id())
    world.simulator.move(world.open_order(top_up_id), 4)
    await world.ends(top_up_id, "settled")


async def test_the_guide_leads_from_a_key_to_a_paid_order_and_its_webhook(
    world: World, project_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    guide = (project_dir / "docs" / "integrate.md").read_text().replace("9000", str(port))
    blocks = _BLOCK.findall(guide)
    _, key = rows.program(world.owner, name="Harbour shop")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(project_dir / "clients" / "python"),
        "API_KEY": key,
    }
    printed: dict[str, str] = {}
    receiver: Process | None = None
    async with world.running() as url, _shell(tmp_path, environment | {"WALLET": url}) as shell:
        for language, block in blocks:
            if language == "sh":
                printed[block] = await shell.run(block)
                if "LINK=" in block:
                    await pay(world, printed[block].splitlines()[0])
                continue
            name = block.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(block)
            if name == "receiver.py":
                secret = await shell.run('echo "$WEBHOOK_SECRET"')
                given = environment | {"WEBHOOK_SECRET": secret}
                receiver = await asyncio.create_subprocess_exec(
                    sys.executable, name, cwd=tmp_path, env=given, stdout=PIPE
                )
            else:
                printed[block] = await shell.run(f"WALLET={url} python {name}")
        assert receiver is not None
        assert receiver.stdout is not None
        async with asyncio.timeout(20):
            told = {(await receiver.stdout.readline()).decode().split(maxsplit=1)[1] for _ in range(3)}
        receiver.kill()
        await receiver.wait()
    said = list(printed.values())
    assert "settled" in said
    assert "paid 5 USDT" in said
    assert "2" in said, "given back"
    assert {line.strip() for line in told} == {"top_up.settled customer-4711", "debit.created customer-4711"}
    found = world.rows("SELECT reference, posted_minor, reversed_minor FROM debits ORDER BY reference")
    assert [(row["reference"], int(row["posted_minor"]), int(row["reversed_minor"])) for row in found] == [
        ("order-4711", 5 * 10**18, 2 * 10**18),
        ("order-4712", 5 * 10**18, 0),
    ]
