"""Readers for open pages share the connections that background work may use, in turn."""

import asyncio

from onramp_app.wallet.reading_places import ReadingPlaces


async def test_who_keeps_a_tab_waiting_reads_first_and_no_place_is_lost():
    places = ReadingPlaces(1)
    order = []

    async def read(name: str, *, holds_tab: bool) -> None:
        async with places.take(holds_tab=holds_tab):
            await asyncio.sleep(0.01)
            order.append(name)

    reading = [
        asyncio.create_task(read(name, holds_tab=name.startswith("tab")))
        for name in ("first", "second", "third", "tab given up", "tab")
    ]
    await asyncio.sleep(0)
    reading[3].cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await read("last", holds_tab=False)
    assert order == ["first", "tab", "second", "third", "last"]
