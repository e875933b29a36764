"""The list of all pages, and helpers that record policy violations and layout shifts on them."""

from playwright.async_api import BrowserContext, Page

# Add every new page here; a test compares these lists with the build, so that none is forgotten.
PUBLIC = (
    "/",
    "/login",
    "/register",
    "/forgot",
    "/reset",
    "/confirm",
    "/help",
    "/receipt/check",
    "/link/unknown",
    "/outbox",
    "/no-such-page",
)
PRIVATE = ("/home", "/add-money", "/activity", "/profile", "/verify")

_TELL_VIOLATION = """
document.addEventListener('securitypolicyviolation', e =>
  tellViolation(`${e.violatedDirective} ${e.blockedURI} on ${e.documentURI} ${e.sample}`))
"""


async def record_violations(context: BrowserContext, found: list[str]) -> None:
    """Record everything that our content and permissions policies block on the pages of a context."""
    await context.expose_binding("tellViolation", lambda _source, text: found.append(f"refused: {text}"))
    await context.add_init_script(_TELL_VIOLATION)
    context.on(
        "console",
        lambda message: (
            found.append(message.text)
            if "Content Security Policy" in message.text or "Permissions-Policy" in message.text
            else None
        ),
    )


MOST_SHIFT = 0.02
_COUNT_SHIFTS = """
window.layoutShift = 0;
window.whatMoved = [];
const place = ({y, height}) => `${Math.round(y)}+${Math.round(height)}`;
const moved = ({node, previousRect, currentRect}) =>
  `${(node?.textContent ?? '').slice(0, 30)} ${place(previousRect)} to ${place(currentRect)}`;
new PerformanceObserver(list => list.getEntries().forEach(one => {
  if (one.hadRecentInput) return;
  window.layoutShift += one.value;
  window.whatMoved.push(`${one.value.toFixed(4)}: ${one.sources.map(moved).join(', ')}`);
})).observe({type: 'layout-shift', buffered: true});
"""


async def count_shifts(context: BrowserContext) -> None:
    """Make the pages of a context add up their layout shifts that no input caused."""
    await context.add_init_script(_COUNT_SHIFTS)


async def shift_of(page: Page) -> float:
    """Return the sum of a page's layout shifts since it was opened (https://web.dev/articles/cls)."""
    shift: float = await page.evaluate("window.layoutShift")
    return shift


async def what_moved(page: Page) -> str:
    """Return which elements of a page have moved, how far each time, and from where to where."""
    moved: list[str] = await page.evaluate("window.whatMoved")
    return "; ".join(moved)


async def slow_down(page: Page) -> None:
    """Throttle a page to a phone's connection on a train: 1.6 Mbit/s, 150 ms latency."""
    browser = await page.context.new_cdp_session(page)
    await browser.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000},
    )
