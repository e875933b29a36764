"""The white-label identity page: a person logs in with any code and chooses how the check ends."""

from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from onramp_app.simulator.pages.frame import page
from onramp_app.simulator.white_label import WhiteLabel
from onramp_app.simulator.wire import ProviderError, read_limited

_CHOICES = {
    "BASIC_KYC_COMPLETED": "Approve: basic",
    "ADVANCE_KYC_COMPLETED": "Approve: full",
    "IN_REVIEW": "Keep in review",
    "TEMPORARY_FAILED": "Refuse for now",
    "PERMANENT_FAILED": "Refuse for good",
}
_BANNER = '<p class="banner"><strong>Simulated identity check.</strong> No documents are looked at.</p>'


class KycPage:
    """One page, one form."""

    def __init__(self, white_label: WhiteLabel) -> None:
        self._white_label = white_label

    def routes(self) -> list[Route]:
        """Return the page's routes."""
        return [Route("/main/kyc/", self._show), Route("/main/kyc/", self._submit, methods=["POST"])]

    async def _show(self, request: Request) -> Response:
        customer = self._white_label.page_customer(request.query_params)
        if customer is None:
            return page(
                "Identity check",
                f'<main class="card">{_BANNER}<h1>This link is not valid</h1></main>',
                status=403,
            )
        return page("Identity check", _content(customer))

    async def _submit(self, request: Request) -> Response:
        customer = self._white_label.page_customer(request.query_params)
        try:
            fields = dict(
                parse_qsl((await read_limited(request)).decode("utf-8", "replace"), max_num_fields=10)
            )
        except (ProviderError, ValueError):
            fields = {}
        status = fields.get("status", "")
        if customer is None or status not in ("OTP_COMPLETED", *_CHOICES):
            return page(
                "Identity check",
                f'<main class="card">{_BANNER}<h1>This cannot be done</h1></main>',
                status=400,
            )
        self._white_label.set_kyc_status(customer, status)
        if status != "OTP_COMPLETED" and customer.get("redirectUrl"):
            return RedirectResponse(customer["redirectUrl"], 303)
        return RedirectResponse(f"{request.url.path}?{urlencode(dict(request.query_params))}", 303)


def _button(status: str, text: str) -> str:
    return f'<button name="status" value="{status}">{escape(text)}</button>'


def _content(customer: dict[str, Any]) -> str:
    hint = ""
    if customer["status"] == "LOGIN_REQUIRED":
        buttons = _button("OTP_COMPLETED", "Log in with a one-time code")
    else:
        buttons = "".join(_button(status, text) for status, text in _CHOICES.items())
    if customer["status"] in _CHOICES:
        hint = "<p>You can close this page.</p>"
    return (
        f'<main class="card">{_BANNER}<h1>Identity check</h1>'
        f"<dl><dt>Email</dt><dd>{escape(customer['email'])}</dd>"
        f"<dt>Status</dt><dd><code>{escape(customer['status'])}</code></dd></dl>"
        f'{hint}<form method="post" class="stack">{buttons}</form></main>'
    )
