"""`/api/outbox/{id}`: outside production, a mail as it would look, for the frame of the page `/outbox`."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from onramp_app.config import get_settings
from onramp_app.mail import views

router = APIRouter(prefix="/api/outbox", include_in_schema=False)

_SANDBOX = "allow-top-navigation-by-user-activation"


@router.get("/{mail_id}")
async def look(mail_id: str) -> HTMLResponse:
    """Answer the HTML of a mail. Nothing in it runs or is loaded, and its links lead out of the frame."""
    mail = await views.one(mail_id)
    policy = "; ".join(
        (
            "default-src 'none'",
            "style-src 'unsafe-inline'",  # mails carry their colours in attributes
            f"frame-ancestors {' '.join(get_settings().ui_origins)}",
            f"sandbox {_SANDBOX}",
        )
    )
    html = mail.html.replace("<head>", '<head><base target="_top">', 1)
    # Browsers that know `frame-ancestors` leave the other header alone.
    headers = {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "SAMEORIGIN",
    }
    return HTMLResponse(html, headers=headers)
