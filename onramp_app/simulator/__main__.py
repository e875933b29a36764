"""Run the simulator: `python -m onramp_app.simulator --port 8001`."""

import argparse
import asyncio
import os
import signal
import socket
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from dotenv import dotenv_values
from granian.constants import Interfaces
from granian.server.embed import Server

from onramp_app.simulator.application import Simulator
from onramp_app.simulator.webhooks import Timing


def _seconds(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not Decimal("0.01") <= value <= 3600:
        raise argparse.ArgumentTypeError("must be seconds from 0.01 to 3600")
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m onramp_app.simulator", description="Behaves as the provider, for trying and testing."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on (8001)")
    parser.add_argument("--database", type=Path, default=Path(".data/simulator.sqlite"), help="SQLite file")
    parser.add_argument("--tempo-seconds", type=_seconds, default="1", help="between two statuses (1)")
    parser.add_argument(
        "--webhook-timeout-seconds", type=_seconds, default="5", help="until a try failed (5)"
    )
    parser.add_argument(
        "--webhook-retry-seconds", type=_seconds, default="2", help="first wait, then doubled (2)"
    )
    return parser.parse_args()


def _refuse_production() -> None:
    """End where money is real. No settings are shared with the application, so they are read here."""
    given = {**dotenv_values(Path(__file__).resolve().parents[2] / ".env"), **os.environ}
    for name, value in (("APP_ENV", "production"), ("REPLIT_DEPLOYMENT", "1")):
        if (given.get(name) or "").strip().lower() == value:
            sys.exit(f"The simulator does not start while {name} is {value}: nothing that it says is paid.")


def _check_port(host: str, port: int) -> None:
    """Refuse a taken port: the server shares ports, and two simulators would answer in turns."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        sys.exit(f"The simulator cannot listen on {host}:{port}: {error}.")


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    server = Server(
        simulator.application(),
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


def main() -> None:
    """Serve until interrupted."""
    given = _arguments()
    _refuse_production()
    _check_port(given.host, given.port)
    timing = Timing(
        tempo_seconds=Decimal(given.tempo_seconds),
        webhook_timeout_seconds=Decimal(given.webhook_timeout_seconds),
        webhook_retry_seconds=Decimal(given.webhook_retry_seconds),
    )
    base_url = f"http://{'localhost' if given.host in ('127.0.0.1', '::1') else given.host}:{given.port}"
    simulator = Simulator(given.database, timing=timing, base_url=base_url)
    print(f"Onramp simulator on {base_url}, orders in {given.database}", flush=True)  # noqa: T201 - for the person
    try:
        asyncio.run(_serve(simulator, given.host, given.port))
    finally:
        simulator.store.close()


if __name__ == "__main__":
    main()
