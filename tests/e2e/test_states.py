"""Every state of every page, at three widths, in both themes and at 200 %, is accessible, legible and still.

The same states are photographed by `python -m tests.e2e.screens --states FOLDER`.
"""

import pytest
from playwright.async_api import Page

from tests.e2e.checks import ALL_LOOKS, DRAWN, covered_at_200_percent, findings_in
from tests.e2e.site import OpenPage, Site
from tests.e2e.states import GROUPS, States, site_for
from tests.e2e.watched import MOST_SHIFT, shift_of, what_moved


@pytest.mark.full
@pytest.mark.parametrize("states", GROUPS, ids=lambda states: states.__name__)
async def test_every_state_is_accessible_fits_and_keeps_still(
    open_page: OpenPage, site: Site, axe: str, states: States
) -> None:
    found = []
    with site_for(states, site):
        page = await open_page("/")
        async for name, shown in states(page, site):
            found += [
                f"{name}: {one}"
                for one in await _all_findings(shown, axe, is_modal="-asks-" in name or "currencies" in name)
            ]
    assert found == []


async def _all_findings(page: Page, axe: str, *, is_modal: bool) -> list[str]:
    shift = await shift_of(page)
    found = [f"its parts move by {shift:.3f}: {await what_moved(page)}"] if shift > MOST_SHIFT else []
    for width, theme in ALL_LOOKS:
        found += await findings_in(page, axe, width=width, theme=theme)
    if not is_modal:  # Elements behind a modal sheet cannot be focused.
        found += await covered_at_200_percent(page)
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.evaluate(DRAWN)
    await page.evaluate("window.layoutShift = 0; window.whatMoved = []")
    return found
