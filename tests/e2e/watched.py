"""Every page of the site, and how a browser's refusals on them are noticed."""

from playwright.async_api import BrowserContext, Page

# Whoever adds a page adds it here; a test compares the two with what was built, so that none is forgotten.
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


async def tell_violations(context: BrowserContext, found: list[str]) -> None:
    """Record everything that our policies (content, permissions) refuse on the pages of a context."""
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
    """Have the pages of a context add up how far their parts move without anybody's doing."""
    await context.add_init_script(_COUNT_SHIFTS)


async def shift_of(page: Page) -> float:
    """Return how far the parts of a page have moved since it was opened (https://web.dev/articles/cls)."""
    shift: float = await page.evaluate("window.layoutShift")
    return shift


async def what_moved(page: Page) -> str:
    """Return which parts of a page have moved, how far each time, and from where to where."""
    moved: list[str] = await page.evaluate("window.whatMoved")
    return "; ".join(moved)


async def slow_down(page: Page) -> None:
    """Give a page the connection of a phone on a train: 1.6 Mbit a second, 150 ms away."""
    browser = await page.context.new_cdp_session(page)
    await browser.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000},
    )
