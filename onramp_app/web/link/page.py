"""`/link/[token]`: add money by a program's link, without signing in, and return to it with the result."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.add_money.amounts.form import amount_form
from onramp_app.web.add_money.check import check_form
from onramp_app.web.add_money.frame import no_offer, skeleton, step_bars, summary, what_happens_next
from onramp_app.web.add_money.hooks import AddressOf
from onramp_app.web.add_money.methods import pay_form
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.link.state import LinkState, VisitState
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.layout import plain_page
from onramp_app.web.parts.places import api_action
from onramp_app.web.parts.shell.titles import FocusesTitle, title
from onramp_app.web.tabs.session import SessionState
from onramp_app.web.top_up.offer_page import offered
from onramp_app.web.top_up.outline import outline
from onramp_app.web.top_up.page import closed, moving, settled
from onramp_app.web.top_up.state import TopUpPageState

_asked = LinkState.asked


def link_page() -> rx.Component:
    return plain_page(
        rx.cond(
            # The state may still hold another link while this one is read: its button would open that one.
            LinkState.token == rx.State.link_token,  # type: ignore[attr-defined]  # Reflex adds it with the route
            rx.match(
                LinkState.shows,
                ("asked", _question()),
                ("over", _over()),
                (
                    "open",
                    rx.cond(
                        SessionState.is_narrow,
                        rx.match(VisitState.shows, ("wizard", _wizard()), ("top_up", _top_up()), _outline()),
                        _outline(),
                    ),
                ),
                _outline(),
            ),
            _outline(),
        ),
    )


# Before the link is opened


def _question() -> rx.Component:
    return _card(
        title(_asked.title),
        rx.el.p(
            filled(_("It's added to your balance, for use with {program}."), program=_asked.program),
            class_name="lead",
        ),
        rx.cond(
            _asked.is_somebody_else,
            notice(
                filled(
                    _("It isn't added to the wallet you're signed in to here: {program} chose who it's for."),
                    program=_asked.program,
                ),
                kind="now",
            ),
        ),
        rx.el.ul(
            rx.el.li(_("You see every fee before you pay.")),
            rx.el.li(
                _("You pay on {provider}'s own page. We never see your bank or card details.").format(
                    provider=get_settings().provider_name
                )
            ),
            rx.el.li(_("You don't need an account or a password here.")),
            class_name="plain-list",
        ),
        rx.el.form(
            rx.el.input(type="hidden", name="token", value=_asked.token),
            rx.el.input(type="hidden", name="here", value=_asked.here),
            rx.el.button(_("Continue"), type="submit", class_name="button button-main w-full"),
            action=api_action("/api/link-sessions"),
            method="post",
            on_submit=None,
        ),
        _way_back(_asked.back.address, _("Cancel and return to {place}"), _asked.back.place),
        class_name="card mx-auto grid w-full max-w-[560px] gap-4",
    )


def _over() -> rx.Component:
    over = LinkState.over
    return _card(
        title(over.title),
        rx.el.p(over.text, class_name="lead"),
        _way_back(over.back.address, _("Return to {place}"), over.back.place),
    )


def _card(*content: rx.Component, class_name: str = "") -> rx.Component:
    return rx.el.section(*content, class_name=class_name or "card mx-auto grid w-full max-w-[560px] gap-3")


def _outline() -> rx.Component:
    return rx.el.div(outline(), class_name="mx-auto w-full max-w-[560px]")


# The steps


def _wizard() -> rx.Component:
    return rx.fragment(
        AddressOf.create(search=WizardState.search, forward=WizardState.forward),
        FocusesTitle.create(
            part=rx.cond(
                (WizardState.shows == "form") & (WizardState.offer.currency != ""),
                "form-" + WizardState.step.to(str),  # type: ignore[attr-defined]  # a Var by now
                rx.cond((WizardState.shows == "form") & (WizardState.problem == ""), "", WizardState.shows),
            )
        ),
        rx.match(
            WizardState.shows,
            ("blocked", _blocked()),
            (
                "form",
                rx.cond(
                    WizardState.offer.currency != "",
                    _form(),
                    rx.cond(WizardState.problem != "", no_offer(), skeleton()),
                ),
            ),
            skeleton(),
        ),
    )


def _form() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            step_bars(),
            rx.match(WizardState.step, ("pay", pay_form()), ("check", check_form()), amount_form()),
            _leave(_("Cancel and return to {place}")),
            class_name="grid w-full content-start gap-4",
        ),
        rx.cond(WizardState.step == "check", what_happens_next(), summary()),
        class_name="wizard",
    )


def _blocked() -> rx.Component:
    return _card(
        title(WizardState.blocked.title),
        rx.el.p(WizardState.blocked.text, class_name="lead"),
        _leave(_("Return to {place}")),
    )


# The top-up


def _top_up() -> rx.Component:
    page = TopUpPageState.page
    return rx.fragment(
        rx.el.p(page.announcement, role="status", class_name="sr-only"),
        FocusesTitle.create(part=page.id + page.kind, only_when_lost=True),
        rx.match(
            page.kind,
            ("", outline()),
            # The keys keep React from reusing elements of one for another, which would be seen to move.
            ("offered", rx.el.div(offered(), _leave(_("Return to {place} without paying")), key="offered")),
            ("moving", moving(_return_button(is_main=False))),
            (
                "settled",
                rx.el.div(
                    settled(_return_button(is_main=True)), _told(), key="settled", class_name="grid gap-4"
                ),
            ),
            closed(_return_button(is_main=True)),
        ),
    )


def _return_button(*, is_main: bool) -> rx.Component:
    return _way_back(
        VisitState.back.address,
        _("Return to {place}"),
        VisitState.back.place,
        class_name=f"button {'button-main' if is_main else 'button-quiet'}",
    )


def _told() -> rx.Component:
    return rx.el.p(
        rx.cond(
            VisitState.back.address != "",
            filled(_("{place} sees this too. You can also close this page."), place=VisitState.back.place),
            _("You can close this page."),
        ),
        class_name="soft small text-center",
    )


# The way back


def _leave(words: str) -> rx.Component:
    return _way_back(VisitState.back.address, words, VisitState.back.place)


def _way_back(
    address: rx.Var[str] | str, words: str, place: rx.Var[str] | str, *, class_name: str = ""
) -> rx.Component:
    return rx.cond(
        address != "",
        rx.el.a(
            filled(words, place=place),
            href=address,
            rel="noreferrer",
            class_name=class_name or "link small inline-flex min-h-11 items-center justify-self-start",
        ),
    )
