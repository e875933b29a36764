"""The sentences of an add-money link: who asks for what, and why it no longer works."""

from onramp_app.domain.amounts import fiat_text
from onramp_app.links.views import OpenedLink, Terms
from onramp_app.links.words import LinkStatus
from onramp_app.texts import _
from onramp_app.web.link.shapes import Over, WayBack


def asked_title(program: str, terms: Terms) -> str:
    """Return the title that says which program asks for what."""
    if terms.top_up_id is not None:
        return _("Continue your top-up")
    if terms.fiat_amount is None or terms.fiat_currency is None:
        return _("{program} asks you to add money").format(program=program)
    return _("{program} asks you to add {amount}").format(
        program=program, amount=fiat_text(terms.fiat_amount, terms.fiat_currency)
    )


def unknown() -> Over:
    """Return what to say about an address that leads to no link."""
    return Over(
        _("This link doesn't work"),
        _("The address may be incomplete. Open it again from where you got it."),
    )


def over_of(found: OpenedLink, back: WayBack) -> Over:
    """Return why a link no longer works, and what to do. `back`: where to return to, if anywhere."""
    program = found.program
    match found.status:
        case LinkStatus.USED:
            return Over(
                _("This link has been used"),
                _("A link adds money once. Go back to {program} to add more.").format(program=program),
            )
        case LinkStatus.REVOKED:
            return Over(
                _("This link was withdrawn"),
                _("{program} withdrew it. If you've already paid, we'll still add it.").format(
                    program=program
                ),
                back,
            )
        case _:
            return Over(
                _("This link has expired"),
                _("Nothing was charged. Go back to {program} and ask for a new one.").format(program=program),
                back,
            )
