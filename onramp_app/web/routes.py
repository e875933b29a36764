"""Every page with its address, title and load events, once per language."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import LANGUAGES, _, language_of_texts
from onramp_app.web.activity.page import activity
from onramp_app.web.activity.state import ActivityState
from onramp_app.web.activity.story_page import story
from onramp_app.web.activity.story_state import StoryState
from onramp_app.web.add_money.page import add_money
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.entrance.landing import landing
from onramp_app.web.entrance.landing_state import LandingState
from onramp_app.web.entrance.not_found import not_found
from onramp_app.web.entrance.page import keep_said_place, login, register
from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.help.page import help_page
from onramp_app.web.home.page import home
from onramp_app.web.home.state import HomeState
from onramp_app.web.link.page import link_page
from onramp_app.web.link.state import LinkState
from onramp_app.web.outbox.page import outbox
from onramp_app.web.outbox.state import OutboxState
from onramp_app.web.parts.places import path_of
from onramp_app.web.profile.factors_state import FactorsState
from onramp_app.web.profile.own_data_state import OwnDataState
from onramp_app.web.profile.page import profile
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.receipt.page import receipt
from onramp_app.web.receipt.state import ReceiptState
from onramp_app.web.recovery.page import confirm, forgot, reset
from onramp_app.web.recovery.state import ConfirmState, ForgotState, ResetState
from onramp_app.web.tabs.session import LINK_PLACE, PrivateState
from onramp_app.web.top_up.page import top_up
from onramp_app.web.top_up.state import TopUpPageState
from onramp_app.web.verify.page import verify
from onramp_app.web.verify.state import VerifyState


@dataclass(frozen=True)
class _Page:
    route: str
    build: Callable[[], rx.Component]
    title: str
    description: str
    on_load: tuple[Any, ...] = ()  # event handlers, which Reflex's decorator types as a namespace


def _pages() -> tuple[_Page, ...]:
    return (
        *_outbox(),
        _Page(
            "/",
            landing,
            _("Add money and watch it arrive"),
            _("A wallet that you can add money to."),
            (LandingState.load,),
        ),
        _Page("/login", login, _("Sign in"), _("Sign in to your wallet."), (EntranceState.load,)),
        _Page(
            "/activity",
            activity,
            _("Activity"),
            _("Everything that happened in your wallet."),
            (PrivateState.enter, ActivityState.load),
        ),
        _Page(
            "/activity/[id]",
            story,
            _("Activity"),
            _("One top-up from beginning to end."),
            (PrivateState.enter, StoryState.load),
        ),
        _Page(
            "/forgot",
            forgot,
            _("Forgot your password"),
            _("Get a link to set a new password."),
            (ForgotState.load,),
        ),
        _Page("/reset", reset, _("Set a new password"), _("Set a new password."), (ResetState.load,)),
        _Page(
            "/confirm", confirm, _("Confirm"), _("Confirm with the link we sent you."), (ConfirmState.load,)
        ),
        _Page(
            "/receipt/[code]",
            receipt,
            _("Check a receipt"),
            _("Find out whether a receipt is genuine."),
            (ReceiptState.load,),
        ),
        _Page(
            f"{LINK_PLACE}[link_token]",
            link_page,
            _("Add money"),
            _("Add money through a link."),
            (LinkState.load,),
        ),
        _Page("/help", help_page, _("Help"), _("Questions and answers, and how to contact us.")),
        _Page("/home", home, _("Home"), _("Your wallet."), (PrivateState.enter, HomeState.load)),
        _Page("/add-money", add_money, _("Add money"), _("Add money to your wallet."), (WizardState.load,)),
        _Page(
            "/profile",
            profile,
            _("Profile"),
            _("Your details and sessions."),
            (ProfileState.load, FactorsState.load, OwnDataState.load),
        ),
        _Page("/add-money/[top_up_id]", top_up, _("Your top-up"), _("One top-up."), (TopUpPageState.load,)),
        _Page("/verify", verify, _("Verify"), _("Your verification and limits."), (VerifyState.load,)),
        _Page("/register", register, _("Create an account"), _("Open your wallet."), (EntranceState.load,)),
    )


def _outbox() -> tuple[_Page, ...]:
    if get_settings().is_production:
        return ()  # In production, only its recipient may read a mail.
    words = _("Emails sent by this wallet.")
    return (_Page("/outbox", outbox, _("Outbox"), words, (OutboxState.load,)),)


def add_pages(app: rx.App) -> None:
    """Add all pages to the application, in every language."""
    name = get_settings().app_name
    for language in LANGUAGES:
        with language_of_texts(language):
            for page in _pages():
                app.add_page(
                    _in_language(language, page.build),
                    route=path_of(page.route),
                    title=f"{page.title} · {name}",
                    description=page.description,
                    on_load=list(page.on_load),
                )
    app.add_page(not_found, route="404", title=f"{_('Page not found')} · {name}", description=name)


def _in_language(language: str, build: Callable[[], rx.Component]) -> Callable[[], rx.Component]:
    # Reflex builds a page when it compiles, long after the loop over the languages has ended. It puts the
    # components of a page into a file named after the function's module, which `wraps` keeps: no page loads
    # those of another.
    @wraps(build)
    def build_page() -> rx.Component:
        with language_of_texts(language):
            return build()

    return build_page


def head_components() -> list[rx.Component]:
    """Return what the head of every page holds: icons, manifest, the first paint's font, and a script."""
    return [
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(rel="manifest", href="/manifest.webmanifest"),
        rx.el.link(
            rel="preload",
            href="/fonts/plex-sans-basic.woff2",
            custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": "anonymous"},
        ),
        rx.el.link(rel="apple-touch-icon", href="/icons/touch-180.png"),
        keep_said_place(),
    ]
