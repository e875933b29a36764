"""What browser tests are given: where the application runs, its pages, and how one is opened and watched."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import BrowserContext, Page

PROJECT = Path(__file__).resolve().parents[2]
WEB_FOLDER = ".web-tests"  # not that of `reflex run`, which is left alone
# Every page of the site. A test compares them with what was built, so that none is forgotten.
PUBLIC = ("/", "/login", "/register", "/no-such-page")
PRIVATE = ("/home", "/profile")

OpenPage = Callable[..., Awaitable[Page]]


@dataclass(frozen=True)
class Site:
    """The running application."""

    url: str
    database_url: str


_TELL_VIOLATION = """
document.addEventListener('securitypolicyviolation', e =>
  tellViolation(`${e.violatedDirective} ${e.blockedURI} on ${e.documentURI} ${e.sample}`))
"""


async def tell_violations(context: BrowserContext, found: list[str]) -> None:
    """Write down whatever a policy of ours (content, permissions) refuses on the pages of a context."""
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
