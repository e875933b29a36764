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
new PerformanceObserver(list => list.getEntries().forEach(one => {
  if (!one.hadRecentInput) window.layoutShift += one.value;
})).observe({type: 'layout-shift', buffered: true});
"""


async def count_shifts(context: BrowserContext) -> None:
    """Have the pages of a context add up how far their parts move without anybody's doing."""
    await context.add_init_script(_COUNT_SHIFTS)


async def shift_of(page: Page) -> float:
    """Return how far the parts of a page have moved since it was opened (https://web.dev/articles/cls)."""
    shift: float = await page.evaluate("window.layoutShift")
    return shift


async def slow_down(page: Page) -> None:
    """Give a page the connection of a phone on a train: 1.6 Mbit a second, 150 ms away."""
    browser = await page.context.new_cdp_session(page)
    await browser.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000},
    )


# Whatever stays in place while a page is scrolled must not lie over what has the focus (WCAG 2.2, 2.4.11).
_COVERED = """async () => {
  // Of a window that has just changed its size the places are not final before it is drawn.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const inPlace = [...document.querySelectorAll('body *')].filter(
    one => ['fixed', 'sticky'].includes(getComputedStyle(one).position) && one.getClientRects().length);
  const found = [];
  const parts = 'main :is(a, button, input, select, textarea, summary), footer a';
  for (const one of document.querySelectorAll(parts)) {
    one.focus();
    if (document.activeElement !== one) continue;
    const its = one.getBoundingClientRect();
    for (const other of inPlace) {
      if (other.contains(one)) continue;
      const of = other.getBoundingClientRect();
      if (of.left < its.right && of.right > its.left && of.top < its.bottom - 1 && of.bottom > its.top + 1) {
        found.push(`${other.className} covers ${one.outerHTML.slice(0, 120)}`);
      }
    }
  }
  return found;
}"""


async def covered_at_200_percent(page: Page) -> list[str]:
    """Return what lies over a part that has the focus, on a screen of 1280 by 800 at 200 %."""
    await page.set_viewport_size({"width": 640, "height": 400})
    found: list[str] = await page.evaluate(_COVERED)
    return found
