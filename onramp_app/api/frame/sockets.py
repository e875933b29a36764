"""Guards the socket of the pages: how many sockets a network may open, how often, and how much it may send.

The limits are generous, because a whole company may look like one address. They keep one sender from using up
what everybody shares: each socket is a task, each tab a state in memory, each message work.

Only packets as a page sends them pass. The libraries behind would collect the binary parts of an event
without a limit, and log dozens of lines about each packet that they cannot read.
"""

import json
import re
import time
from collections import Counter

import structlog
from prometheus_client import Counter as Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.api.frame.problems import problem_response
from onramp_app.domain.errors import RateLimited
from onramp_app.domain.networks import network_of
from onramp_app.throttle.callers import address_of, is_this_machine

MAX_OPEN = 200
HANDSHAKES_A_MINUTE = 300
MESSAGES_A_MINUTE = 18_000  # An open page says 60 times a minute that it is there.
_RETRY_AFTER_SECONDS = 60
_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1
# Close and pong of Engine.IO 4; connect, disconnect and event of Socket.IO 5.
_PACKET = re.compile(r"[13]|41/_event,?|4(?P<kind>[02])/_event,(?P<json>.*)", re.DOTALL)
_MAX_READ_LENGTH = 65_536  # Engine.IO closes a socket that sends a longer packet.
_MAX_BRACKETS = 500  # A form has some forty. This many can be parsed at any depth of the stack.

_REFUSED = Metric("page_sockets_refused", "Sockets refused or closed because of their network.", ["reason"])
_log = structlog.get_logger(__name__)


def before_sockets(pages: ASGIApp) -> ASGIApp:
    """Wrap the pages: a socket beyond its network's limits is answered 429, a flooding one is closed."""
    limits = _Networks()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await pages(scope, receive, send)
            return
        # A program on this machine has easier ways to do harm.
        if is_this_machine(scope):
            await pages(scope, _checked(receive, send), send)
            return
        network = network_of(address_of(scope))
        if reason := limits.refusal_of(network):
            _refuse(reason)
            await receive()  # The handshake comes first, and needs an answer.
            await _answer(scope, receive, send)
            return
        limits.open[network] += 1
        try:
            await pages(scope, limits.counted(network, _checked(receive, send), send), send)
        finally:
            limits.close(network)

    return serve


class _Networks:
    """The open sockets of each network at this instance, and its handshakes and messages in this minute."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self._minute = 0
        self._handshakes: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()

    def refusal_of(self, network: str) -> str | None:
        """Count a handshake. Return why it is refused, or None to accept it."""
        if self.open[network] >= MAX_OPEN:
            return "open"
        self._begin_minute()
        self._handshakes[network] += 1
        return None if self._handshakes[network] <= HANDSHAKES_A_MINUTE else "handshakes"

    def _may_send(self, network: str) -> bool:
        self._begin_minute()
        self._messages[network] += 1
        return self._messages[network] <= MESSAGES_A_MINUTE

    def _begin_minute(self) -> None:
        # Cleared all at once: every message passes here, so a search through the counts would be too slow.
        if (minute := int(time.monotonic() // 60)) != self._minute:
            self._minute = minute
            self._handshakes.clear()
            self._messages.clear()

    def close(self, network: str) -> None:
        """Note that a socket of the network has closed."""
        self.open[network] -= 1
        if not self.open[network]:
            del self.open[network]

    def counted(self, network: str, receive: Receive, send: Send) -> Receive:
        """Return a `receive` that ends the socket when its network sends too much."""

        async def next_message() -> Message:
            message = await receive()
            if message["type"] != "websocket.receive" or self._may_send(network):
                return message
            return await _closed("messages", send)

        return next_message


def _checked(receive: Receive, send: Send) -> Receive:
    """Return a `receive` that ends a socket on a message that none of our pages sends."""

    async def next_message() -> Message:
        message = await receive()
        if message["type"] != "websocket.receive" or _is_of_a_page(message):
            return message
        return await _closed("packet", send)

    return next_message


def _is_of_a_page(message: Message) -> bool:
    text = message.get("text")
    if text is None or (packet := _PACKET.fullmatch(text)) is None:
        return False
    if packet["kind"] is None or len(text) > _MAX_READ_LENGTH:
        return True
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        return False
    try:
        content = json.loads(packet["json"] or "{}")
    except ValueError:
        return False
    if packet["kind"] == "0":
        return isinstance(content, dict)
    return isinstance(content, list) and bool(content) and isinstance(content[0], str)


async def _closed(reason: str, send: Send) -> Message:
    _refuse(reason)
    await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
    return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}


def _refuse(reason: str) -> None:
    _REFUSED.labels(reason).inc()
    _log.debug("a socket was refused or closed", reason=reason)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    error = RateLimited(
        "Too many open pages in your network. Close some, or wait a minute.",
        retry_after_seconds=_RETRY_AFTER_SECONDS,
    )
    # Starlette answers a handshake by the ASGI extension "WebSocket Denial Response".
    await problem_response(error)(scope, receive, send)
