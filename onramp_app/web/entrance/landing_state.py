"""The state of `/`: the rate of the day, from the rates that are kept anyway. The provider is never asked."""

import re
from contextlib import suppress

import reflex as rx

from onramp_app.accounts.words import currency_of_country
from onramp_app.domain import clock
from onramp_app.domain.amounts import rate_number_text
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.pricing.provider_prices import STABLE_ASSET
from onramp_app.pricing.rate_book import UnknownSymbol
from onramp_app.pricing.rates import stored_book
from onramp_app.web.words.amounts import moment_text

# A language tag with a region, such as `en-IN` (RFC 5646); what a browser sends first is what it prefers.
_REGION = re.compile(r"\s*[A-Za-z]{2,3}-([A-Z]{2})\b", re.ASCII)
_WITHOUT_REGION = "INR"  # The documented default of the provider.
_LONGEST = 200  # of the header that is looked at


class LandingState(rx.State):
    """What a unit of the stable asset costs, and since when that is known; both empty where it is stale."""

    rate: str = ""
    rate_as_of: str = ""

    @rx.event
    async def load(self) -> None:
        """Look up the rate in the currency of the visitor's country, as far as the browser says it."""
        region = _REGION.match(self.router.headers.accept_language[:_LONGEST])
        wanted = currency_of_country(region[1]) if region else _WITHOUT_REGION
        self.rate = self.rate_as_of = ""
        with suppress(DatabaseUnavailable, UnknownSymbol):
            if (kept := await stored_book()) is None:
                return
            currency = _WITHOUT_REGION if wanted == "USD" or wanted not in kept.per_stable else wanted
            book = kept.of([STABLE_ASSET, currency])
            if not book.is_stale(clock.now()):
                price = book.rates(STABLE_ASSET, [currency])[currency]
                # With the code: a sign would bring a font along that nothing else here needs.
                self.rate = f"1 {STABLE_ASSET} = {rate_number_text(price, currency)} {currency}"
                self.rate_as_of = moment_text(book.as_of)
