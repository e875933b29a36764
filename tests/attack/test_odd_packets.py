"""Packets that no page sends: the libraries would buffer some in memory, and flood the log over others."""

from onramp_app.api.frame import sockets
from onramp_app.onramp_app import app
from tests.attack.scene import new_address
from tests.attack.wire import Wire

# Engine.IO packets, then Socket.IO ones: unknown, truncated, for no namespace, not JSON, nested too deep,
# no event, in parts.
ODD = (
    "", "x", "9", "2", "5", "6", "b!!!!", "bAAAA", b"\x00", b"{}",
    "4", "49", "44/_event,", "40/other,", "41/other,", "42", "42/other,[\"event\"]", "43/_event,9[]",
    "42/_event,", "42/_event,{bad", "42/_event,[\"event\",{\"password\":\"canary-word\"]",
    "42/_event,\"event\"",
    "42/_event,[]", "42/_event,[{\"a\":1}]", "42/_event,5[\"event\",{}]", f"42/_event,{'1' * 5_000}",
    f"42/_event,[\"event\",{'1' * 5_000}]", f"42/_event,{'[' * 60_000}", "40/_event,[1]", "40/_event,{",
    "45/_event,[", "451-[]", "451-/_event,[\"event\",{\"_placeholder\":true,\"num\":0}]",
)  # fmt: skip
ENDLESS = '459999999999-/_event,["event",{"_placeholder":true,"num":0}]'


async def _say(asgi, packet: str | bytes) -> Wire:
    wire = await Wire(asgi, address=new_address()).connect()
    wire.say(packet)
    await wire.settle()
    return wire


def _parts_in_memory() -> int:
    return sum(len(packet.attachments) for packet in app.sio._binary_packet.values())


async def test_whoever_sends_what_no_page_sends_is_closed_without_a_line(asgi, database, logged) -> None:
    kept_open = []
    for packet in ODD:
        wire = await _say(asgi, packet)
        if wire.is_open:
            kept_open.append(packet[:60])
        await wire.close()
    assert kept_open == []
    assert logged.tracebacks == []
    assert "canary-word" not in logged.text


async def test_parts_of_a_packet_do_not_pile_up(asgi, database) -> None:
    wire = await _say(asgi, ENDLESS)
    for _ in range(10):
        wire.say(b"x" * 60_000)
    await wire.settle()
    assert _parts_in_memory() == 0
    await wire.close()


async def test_an_honest_page_is_not_closed(asgi, database) -> None:
    wire = await Wire(asgi, address=new_address()).connect({"event": None})
    wire.say("3")
    wire.emit("ping")
    await wire.until('"pong"')
    assert wire.is_open
    wire.say("41/_event,")
    await wire.close()


async def test_without_the_look_at_packets_they_pile_up_and_fill_the_log(
    asgi, database, logged, monkeypatch
) -> None:
    """The control for the tests above."""
    monkeypatch.setattr(sockets, "_is_of_a_page", lambda _message: True)
    await (await _say(asgi, "42/_event,{bad")).close()
    assert logged.tracebacks
    wire = await _say(asgi, ENDLESS)
    for _ in range(10):
        wire.say(b"x" * 60_000)
    await wire.settle()
    assert _parts_in_memory() == 10
    await wire.close()
