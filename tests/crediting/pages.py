"""A top-up's page as its owner would see it now, and the texts that scenarios are compared by."""

from onramp_app.accounts.views import Viewer
from onramp_app.domain import clock
from onramp_app.wallet.latest import Latest
from onramp_app.web.top_up.shapes import TopUpPage
from onramp_app.web.top_up.words import page_of

IN_BALANCE = "In your balance"
REVIEW = "We're reviewing this top-up"
CHARGED = "Your payment was received."
UNSURE = "We don't know yet whether you were charged. Don't pay again yet."


def _viewer(user_id: str) -> Viewer:
    return Viewer(
        user_id=user_id,
        session_id="0" * 32,
        email="ada@mail.example",
        display_name="Ada",
        country="IN",
        display_currency="INR",
        language="en",
        role="user",
        kyc_status="none",
        kyc_tier="none",
        is_email_confirmed=True,
        created_at=clock.now(),
    )


async def page_for(user_id: str, top_up_id: str) -> TopUpPage:
    """Return the page of a person's top-up."""
    latest = Latest(_viewer(user_id))
    view = await latest.top_up(top_up_id)
    assert view is not None
    balances = await latest.balances() if view.has_entry else None
    fresh = await latest.fresh_until(top_up_id)
    return page_of(view, balances, usual_minutes=None, fresh_until=fresh)
