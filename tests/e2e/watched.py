"""Every page of the site, and how a browser's refusals on them are noticed."""

from playwright.async_api import BrowserContext

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
