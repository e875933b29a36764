"""The part of the wizard's state that enforces what an add-money link fixes, if the page is a link's."""

from dataclasses import replace
from decimal import Decimal

from onramp_app.accounts.views import Viewer
from onramp_app.links import paying
from onramp_app.links.sessions import Payer
from onramp_app.links.views import Terms
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.texts import _
from onramp_app.top_ups import top_ups
from onramp_app.web.add_money.ask import WizardAnswer
from onramp_app.web.add_money.choices import STEPS, Choices
from onramp_app.web.add_money.shapes import Blocked, Fixed
from onramp_app.web.tabs.session import PrivateState


class KeepsToLink(PrivateState, mixin=True):
    """The choices that an add-money link has fixed; none without a link."""

    fixed: Fixed = Fixed()

    _terms: Terms | None = None

    def _take_terms(self, viewer: Viewer) -> None:
        """Record what the page's link fixes, if it has one."""
        self._terms = terms = viewer.terms if isinstance(viewer, Payer) else None
        self.fixed = Fixed(
            amount=terms is not None and terms.fiat_amount is not None,
            currency=terms is not None and terms.fiat_currency is not None,
            asset=terms is not None and terms.asset is not None,
        )

    def _held(self, choices: Choices) -> Choices:
        """Return the choices, overridden by what the link fixes."""
        if (terms := self._terms) is None:
            return choices
        if terms.fiat_currency is not None and choices.currency != terms.fiat_currency:
            choices = replace(choices, currency=terms.fiat_currency, country="", method="")
        if terms.fiat_amount is not None:
            choices = replace(choices, amount=terms.fiat_amount, receive="")
        if terms.asset is not None:
            choices = replace(choices, asset=terms.asset)
        return replace(choices, is_another=False)

    def _held_answer(self, found: WizardAnswer) -> WizardAnswer:
        """Return the answer that a link's page may show: bound to its terms, without the use of limits."""
        if self._terms is None or found.offer is None:
            return found
        offer = replace(found.offer, allowances=(), binding="", raises="")
        problem = found.amount_problem or found.verify_words
        if self._held(found.choices) != found.choices:
            if self._terms.fiat_currency is not None:
                words = _("This can't be bought at the moment. We'll keep trying.")
                return WizardAnswer(found.choices, problem=words, retry_seconds=found.retry_seconds or 30)
            words = _("{asset} can't be bought in {currency}. Choose another currency.")
            problem = words.format(asset=self._terms.asset, currency=found.choices.currency)
            choices = replace(found.choices, step=STEPS[0])
            found = replace(found, choices=choices, quoted=None, mid_rate=None)
        return replace(found, offer=offer, amount_problem=problem, verify_words="")

    def _held_block(self, blocked: Blocked) -> Blocked:
        """Return why nothing can be added; on a link's page, without the account's id and support mail."""
        return blocked if self._terms is None else replace(blocked, reference="", mail_address="")

    async def _create(
        self, viewer: Viewer, request: PurchaseRequest, *, expected: Decimal, review: str
    ) -> str:
        """Begin the top-up, or that of the link. Raises as `top_ups.create_once` or `paying.begin`."""
        if isinstance(viewer, Payer):
            return await paying.begin(viewer, request, expected_amount=expected, review=review)
        return await top_ups.create_once(viewer, request, expected_amount=expected, review=review)
