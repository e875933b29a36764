"""Measures layout shifts by page and step, and slows the socket down so that shifts become visible."""

import asyncio
import re
from dataclasses import dataclass, field

from playwright.async_api import Page, WebSocketRoute

from tests.e2e.watched import MOST_SHIFT

_TELL_SHIFTS = """
new PerformanceObserver((list) => {
  const step = new URLSearchParams(location.search).get('step') || '';
  const place = location.pathname.replace(/[0-9a-f]{32}/, '[id]').replace(/\\/$/, '') + step;
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map((one) => one.node?.id || one.node?.className || one.node?.nodeName);
    tellShift(place, entry.value, entry.hadRecentInput, moved.join(', '));
  }
}).observe({type: 'layout-shift', buffered: true});
"""


@dataclass
class Shifts:
    """The layout shifts of pages, by page and step (`/add-money` + `pay`), with the elements that moved.

    `counts_answers` also counts shifts within half a second of a keystroke, which Chromium excludes. Unless
    the socket is slow, an answer comes that soon.
    """

    counts_answers: bool = True
    seen: list[tuple[str, float, str]] = field(default_factory=list)

    async def watch(self, page: Page) -> "Shifts":
        """Start watching a page, from its next load on."""
        await page.expose_binding("tellShift", lambda _source, *told: self._add(*told))
        await page.add_init_script(_TELL_SHIFTS)
        return self

    def _add(self, place: str, value: float, is_answer: bool, moved: str) -> None:
        if self.counts_answers or not is_answer:
            self.seen.append((place, value, moved))

    def too_much(self, places: str) -> dict[str, tuple[float, list[str]]]:
        """Return the places matching a pattern whose shift exceeds the limit, and what moved there."""
        sums: dict[str, float] = {}
        for place, value, _moved in self.seen:
            if re.match(places, place):
                sums[place] = sums.get(place, 0) + value
        return {
            place: (round(value, 4), [f"{v:.4f} {m}" for p, v, m in self.seen if p == place])
            for place, value in sums.items()
            if value > MOST_SHIFT
        }


async def slow_socket(page: Page, *, seconds: float) -> None:
    """Delay the page's socket messages by `seconds` per round trip, half in each direction."""

    def join(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        loop = asyncio.get_running_loop()
        socket.on_message(lambda message: loop.call_later(seconds / 2, server.send, message))
        server.on_message(lambda message: loop.call_later(seconds / 2, socket.send, message))

    await page.route_web_socket(re.compile("/_event"), join)
