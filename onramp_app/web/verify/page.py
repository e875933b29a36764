"""`/verify`: where somebody's verification stands, what to do, and what their limits are."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.parts.activity_rows import state_tag
from onramp_app.web.parts.feedback import notice, problem
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.places import link
from onramp_app.web.parts.qr_code import qr_picture
from onramp_app.web.parts.support import contact
from onramp_app.web.verify.shapes import LimitLine
from onramp_app.web.verify.state import VerifyState

_page = VerifyState.page


def verify() -> rx.Component:
    return private_page(
        # With keys, because what one of them leaves in place for another would be seen to move.
        rx.cond(
            _page.kind != "",
            rx.cond(
                VerifyState.link != "",
                rx.fragment(_open_page(), key="open"),
                rx.fragment(_standing(), key="standing"),
            ),
            rx.fragment(_skeleton(), key="skeleton"),
        ),
        here="/verify",
        waiting=_skeleton(),
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("One moment."), role="status", class_name="sr-only"),
        rx.el.div(class_name="skeleton h-10 w-3/5"),
        rx.el.div(class_name="skeleton h-[180px] rounded-[20px]"),
        class_name="mx-auto grid w-full max-w-[640px] gap-4 md:pt-4",
    )


def _standing() -> rx.Component:
    return rx.el.div(
        rx.el.section(
            rx.el.div(
                _words(),
                role="status",
            ),
            rx.cond(VerifyState.problem != "", notice(VerifyState.problem, kind="bad")),
            _what_to_do(),
            rx.cond(_page.kind == "widget", _what_is_asked()),
            class_name="card grid gap-5",
        ),
        _way_back(),
        _limits(),
        class_name="mx-auto grid w-full max-w-[640px] gap-6 md:pt-4",
    )


def _words() -> rx.Component:
    return rx.fragment(
        rx.cond(_page.tag != "", state_tag(_page.tag, _page.tone)),
        rx.el.h1(_page.title, class_name="title mt-2"),
        rx.el.p(_page.text, class_name="lead mt-2"),
        rx.cond(_page.what_now != "", rx.el.p(_page.what_now, class_name="soft mt-2")),
    )


def _what_to_do() -> rx.Component:
    return rx.fragment(
        rx.cond(
            _page.action != "",
            rx.el.form(
                rx.cond(_page.needs_phone, _phone()),
                rx.el.button(
                    rx.cond(VerifyState.is_starting, _("One moment"), _page.action),
                    type="submit",
                    disabled=VerifyState.is_starting,
                    class_name=rx.cond(_page.kind == "approved", "button button-quiet", "button button-main"),
                ),
                on_submit=VerifyState.start.temporal,  # type: ignore[attr-defined]  # Reflex makes it a handler
                class_name="grid justify-items-start gap-4",
            ),
        ),
        rx.cond(_page.may_change_phone, _another_phone()),
        rx.cond(_page.asks_support, _support()),
    )


def _phone() -> rx.Component:
    """Return the two fields of the phone number. What is typed goes to the provider and is not kept."""
    return rx.el.fieldset(
        rx.el.legend(_("Your phone number"), class_name="font-semibold"),
        rx.el.div(
            rx.el.div(
                rx.el.label(_("Country code"), html_for="phone_code", class_name="sr-only"),
                rx.el.input(
                    id="phone_code",
                    name="phone_code",
                    key=VerifyState.phone_code,
                    default_value=VerifyState.phone_code,
                    type="text",
                    input_mode="tel",
                    auto_complete="tel-country-code",
                    max_length=5,
                    placeholder="+91",
                    class_name="input",
                ),
                class_name="field w-24",
            ),
            rx.el.div(
                rx.el.label(_("Number"), html_for="phone", class_name="sr-only"),
                rx.el.input(
                    id="phone",
                    name="phone",
                    type="tel",
                    input_mode="tel",
                    auto_complete="tel-national",
                    max_length=30,
                    required=True,
                    aria_invalid=rx.cond(VerifyState.phone_problem != "", "true", "false"),
                    aria_describedby="phone-problem phone-hint",
                    class_name="input",
                ),
                class_name="field min-w-0 flex-1",
            ),
            class_name="mt-2 flex gap-2",
        ),
        rx.el.div(
            rx.cond(
                VerifyState.phone_problem != "",
                problem(rx.el.span(VerifyState.phone_problem), for_field="phone"),
            ),
            aria_live="assertive",
            class_name="mt-2 empty:hidden",
        ),
        rx.el.p(
            _("The provider sends a one-time code to it. We pass the number on and don't keep it."),
            id="phone-hint",
            class_name="hint mt-2",
        ),
        class_name="w-full max-w-[420px]",
    )


def _another_phone() -> rx.Component:
    return rx.el.details(
        rx.el.summary(_("Use another phone number"), class_name="link small min-h-11"),
        rx.el.form(
            _phone(),
            rx.el.button(
                _("Use this number"),
                type="submit",
                disabled=VerifyState.is_starting,
                class_name="button button-quiet",
            ),
            on_submit=VerifyState.start.temporal,  # type: ignore[attr-defined]  # Reflex makes it a handler
            class_name="grid justify-items-start gap-4 pt-2",
        ),
        class_name="help",
    )


def _support() -> rx.Component:
    return contact(_page.mail_address, _page.reference, label=_("Account ID"))


def _what_is_asked() -> rx.Component:
    """Return what the provider asks for in its payment page, and its published limits."""
    return rx.el.section(
        rx.el.h2(_("What it asks for"), class_name="heading", id="asked"),
        rx.el.ul(
            rx.foreach(VerifyState.asked, rx.el.li),
            class_name="plain-list mt-3",
        ),
        rx.cond(VerifyState.published != "", rx.el.p(VerifyState.published, class_name="soft small mt-4")),
        aria_labelledby="asked",
    )


def _way_back() -> rx.Component:
    return rx.cond(
        # Somebody who was refused would only be turned away there.
        (VerifyState.back_to != "") & (_page.kind != "rejected"),
        link(
            _("Back to adding money"),
            to=VerifyState.back_to,
            class_name=rx.cond(
                _page.kind == "approved",
                "button button-main justify-self-start",
                "button button-quiet justify-self-start",
            ),
        ),
    )


def _limits() -> rx.Component:
    # Somebody who was refused adds nothing, so that limits would only mislead.
    return rx.cond(_page.kind != "rejected", rx.cond(VerifyState.limits, _limits_card()))


def _limits_card() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Your limits"), class_name="heading", id="limits"),
        rx.cond(
            VerifyState.are_ours_unknown,
            rx.el.p(
                _("The limits of this wallet can't be shown right now. Try again in a minute."),
                role="status",
                class_name="soft small mt-2",
            ),
        ),
        rx.el.ul(rx.foreach(VerifyState.limits, _limit), class_name="rows mt-4"),
        rx.cond(VerifyState.is_raised_by_support, rx.el.div(_support(), class_name="mt-4")),
        rx.el.p(
            _(
                "Days and months are counted in UTC. Published limits are {provider}'s, and not a promise."
            ).format(provider=get_settings().provider_name),
            class_name="soft tiny mt-4",
        ),
        aria_labelledby="limits",
        class_name="card",
    )


def _limit(line: LimitLine) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(line.label, class_name="min-w-0"),
            rx.el.span(line.limit, class_name="font-semibold ms-auto whitespace-nowrap"),
            class_name="flex flex-wrap gap-x-4",
        ),
        rx.cond(
            line.left != "",
            rx.el.progress(value=line.used_percent, max=100, aria_hidden="true", class_name="bar"),
        ),
        rx.cond(
            (line.left != "") | (line.raised != "") | line.is_binding,
            rx.el.p(
                rx.cond(line.is_binding, _("Applies first"), ""),
                rx.cond(line.is_binding & ((line.left != "") | (line.raised != "")), " · ", ""),
                line.left,
                rx.cond((line.left != "") & (line.raised != ""), " · ", ""),
                line.raised,
                class_name="soft small",
            ),
        ),
        class_name="grid gap-1.5",
    )


# The provider's page


def _open_page() -> rx.Component:
    """Return the provider's page in a frame, with the ways around a frame beside it."""
    return rx.el.div(
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    rx.el.h1(_("Verify your identity"), class_name="title"),
                    rx.el.p(
                        _("On {provider}'s own page.").format(provider=get_settings().provider_name),
                        class_name="soft mt-1",
                    ),
                ),
                rx.el.a(
                    _("Open in a new tab"),
                    href=VerifyState.link,
                    target="_blank",
                    rel="noopener",
                    class_name=rx.cond(
                        VerifyState.is_framed, "button button-quiet button-slim", "button button-main"
                    ),
                ),
                class_name="mb-4 flex flex-wrap items-end justify-between gap-x-6 gap-y-4",
            ),
            rx.cond(VerifyState.is_framed, _frame()),
            class_name="min-w-0",
        ),
        rx.el.aside(_meanwhile(), _on_the_phone(), class_name="grid content-start gap-6"),
        class_name="grid gap-6 lg:grid-cols-[minmax(0,1fr)_320px] lg:gap-8",
    )


def _frame() -> rx.Component:
    return rx.el.div(
        rx.el.iframe(
            src=VerifyState.link,
            title=_("{provider}'s identity page").format(provider=get_settings().provider_name),
            allow=VerifyState.frame_allow,
            referrer_policy="strict-origin",
            class_name="widget-frame",
        ),
        class_name="widget",
    )


def _meanwhile() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("While you verify"), class_name="heading", id="meanwhile"),
        rx.el.ul(
            rx.el.li(_("Your documents go to the provider only. We never see them.")),
            rx.el.li(_("This page updates automatically when the provider has decided.")),
            rx.el.li(_("You can close this page and come back any time.")),
            class_name="plain-list mt-3",
        ),
        rx.el.button(
            _("Close the provider's page"),
            type="button",
            on_click=VerifyState.close,
            class_name="link small mt-3 min-h-11",
        ),
        aria_labelledby="meanwhile",
    )


def _on_the_phone() -> rx.Component:
    words = (
        _("While this runs on your own computer, only that computer can open the address.")
        if get_settings().is_on_this_machine
        else _("Scan it to use your phone's camera. Don't show it to anyone: it opens your verification.")
    )
    return rx.cond(
        VerifyState.code != "",
        rx.el.section(
            rx.el.h2(_("Continue on your phone"), class_name="heading", id="phone-code"),
            rx.el.p(words, class_name="soft small mt-1"),
            qr_picture(VerifyState.code, VerifyState.code_size, title=_("QR code of the provider's page")),
            aria_labelledby="phone-code",
            class_name="hidden md:block",
        ),
    )
