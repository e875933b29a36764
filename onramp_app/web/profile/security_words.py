"""Devices, places and security events in words."""

from onramp_app.accounts.devices import device_words
from onramp_app.accounts.views import SecurityEventView, SessionView
from onramp_app.accounts.words import SecurityEventKind, SessionKind
from onramp_app.domain.networks import Surroundings, network_of, surroundings_of
from onramp_app.texts import _
from onramp_app.web.profile.shapes import SecurityLine, SessionLine
from onramp_app.web.words.amounts import moment_text


def session_line(view: SessionView, *, here: str) -> SessionLine:
    """Return one row of the list of devices. `here`: the network address of the session that asks."""
    device = device_name(view.device)
    if view.kind == SessionKind.PROGRAM:
        device = _("{device} (app or program)").format(device=device)
    return SessionLine(
        session_id=view.session_id,
        device=device,
        place=place_text(view.address, here=here),
        begun_at=moment_text(view.created_at),
        used_at=moment_text(view.last_seen_at),
        is_current=view.is_current,
    )


def security_line(event: SecurityEventView, *, here: str) -> SecurityLine:
    """Return one row of security activity. `here`: as for `session_line`."""
    place = place_text(event.address, here=here)
    device = device_name(event.device) if event.device or event.address else ""
    return SecurityLine(
        what=what_happened(SecurityEventKind(event.kind)),
        where=" · ".join(part for part in (device, place) if part),
        at=moment_text(event.at),
    )


def place_text(address: str, *, here: str) -> str:
    """Return a network address, and all that it says by itself about where it is.

    A city or country would have to be looked up by a service, which then knew who signs in from where.
    """
    if not address:
        return ""
    if here and network_of(address) == network_of(here):
        return _("{address} (the network you're on now)").format(address=address)
    texts = {
        Surroundings.THIS_MACHINE: _("{address} (the computer that runs this wallet)"),
        Surroundings.PRIVATE: _("{address} (a private network)"),
        Surroundings.CARRIER: _("{address} (shared by many customers of one internet provider)"),
        Surroundings.INTERNET: "{address}",
    }
    return texts[surroundings_of(address)].format(address=address)


def device_name(user_agent: str) -> str:
    """Return a User-Agent in words, such as `Firefox on Linux`; of a program, the first word."""
    browser, system = device_words(user_agent)
    if browser and system:
        return _("{browser} on {system}").format(browser=browser, system=system)
    return browser or system or user_agent.partition("/")[0][:40].strip() or _("Unknown device")


def what_happened(kind: SecurityEventKind) -> str:
    """Return what happened, in a few words."""
    texts = {
        SecurityEventKind.SIGNED_IN: _("Signed in"),
        SecurityEventKind.NEW_DEVICE: _("Signed in on a new device"),
        SecurityEventKind.SIGNED_OUT: _("Signed out"),
        SecurityEventKind.SESSION_ENDED: _("Signed out from your list of devices"),
        SecurityEventKind.PASSWORD_CHANGED: _("Password changed"),
        SecurityEventKind.REFRESH_TOKEN_REUSED: _("Signed out by us: a key of this program was used twice"),
        SecurityEventKind.PASSWORD_RESET: _("New password set by a link in an email"),
        SecurityEventKind.EMAIL_CONFIRMED: _("Email address confirmed"),
        SecurityEventKind.EMAIL_CHANGED: _("Email address changed"),
        SecurityEventKind.EMAIL_CHANGE_UNDONE: _("Change of the email address undone"),
        SecurityEventKind.ACCOUNT_SECURED: _("“This wasn't me” used: signed out everywhere, password locked"),
        SecurityEventKind.OPERATOR_CODE_MADE: _("Operator code made"),
        SecurityEventKind.OPERATOR_CODE_REFUSED: _("Someone tried a wrong operator code in your name"),
        SecurityEventKind.FACTOR_ADDED: _("Second factor added"),
        SecurityEventKind.FACTOR_REMOVED: _("Second factor removed"),
        SecurityEventKind.FACTOR_REFUSED: _("Right password, wrong code: not signed in"),
        SecurityEventKind.RECOVERY_CODES_RENEWED: _("New recovery codes made"),
        SecurityEventKind.FACTORS_RESET_ASKED: _("An operator was asked to remove your second factor"),
        SecurityEventKind.FACTORS_RESET_CANCELED: _("The removal of your second factor was stopped"),
        SecurityEventKind.FACTORS_RESET: _("Your second factor was removed by an operator"),
        SecurityEventKind.DATA_EXPORTED: _("Everything we hold about you was downloaded"),
        SecurityEventKind.ACCOUNT_CLAIMED: _("Account claimed by a link in an email"),
        SecurityEventKind.ROLE_CHANGED: _("Your role changed, and you were signed out everywhere"),
    }
    return texts[kind]
