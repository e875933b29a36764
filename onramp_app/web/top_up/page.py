"""`/add-money/[id]`: one top-up on any device: pay, watch it arrive, or read what became of it."""

from urllib.parse import urlsplit

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.mark import mark
from onramp_app.web.parts.money import money
from onramp_app.web.parts.places import link
from onramp_app.web.parts.times import as_of_line, clock_of
from onramp_app.web.top_up.shapes import AmountFact, Related, StepLine
from onramp_app.web.top_up.state import TopUpState
from onramp_app.web.top_up.widget import widget_frame

_page = TopUpState.page
_DIALOG = "cancel-top-up"


def top_up() -> rx.Component:
    return private_page(
        # It stands here before anything changes: a live region that comes with its words is not read out.
        rx.el.p(_page.announcement, role="status", class_name="sr-only"),
        rx.cond(
            # Another top-up's page may still be here while this one's is read.
            _page.id == rx.State.top_up_id,  # type: ignore[attr-defined]  # Reflex adds it with the route
            rx.match(
                _page.kind,
                ("offered", _offered()),
                ("moving", _moving()),
                ("settled", _settled()),
                ("missing", _missing()),
                _told(),
            ),
            rx.el.p(_("One moment."), class_name="soft top-up"),
        ),
        here="/add-money",
    )


# Pay


def _offered() -> rx.Component:
    return rx.el.div(
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    rx.el.h1(_page.title, class_name="title"),
                    rx.cond(
                        _page.expected != "",
                        rx.el.p(
                            _("You receive about"), " ", rx.el.strong(_page.expected), class_name="soft mt-1"
                        ),
                    ),
                ),
                rx.el.a(
                    _("Open in a new tab"),
                    href=_page.widget_url,
                    target="_blank",
                    rel="noopener",
                    class_name="button button-quiet button-slim",
                ),
                class_name="flex flex-wrap items-end justify-between gap-x-6 gap-y-4 mb-4",
            ),
            rx.cond(
                TopUpState.is_widget_broken,
                rx.el.div(
                    notice(
                        _("The payment page cannot be shown here. Open it in a new tab; nothing is lost."),
                        kind="now",
                    ),
                    class_name="mb-4",
                ),
            ),
            widget_frame(_page.widget_url, _page.widget_origin, on_message=TopUpState.widget_said),
            class_name="min-w-0",
        ),
        rx.el.aside(_while_you_pay(), _on_the_phone(), _cancel(), class_name="grid content-start gap-6"),
        class_name="grid gap-6 lg:grid-cols-[minmax(0,1fr)_320px] lg:gap-8",
    )


def _while_you_pay() -> rx.Component:
    lines = (
        _("You pay on the payment provider's own page. We never see your bank or card details."),
        _("We notice your payment by ourselves. You can close this page as soon as you have paid."),
        _("Your balance changes as soon as it has arrived."),
    )
    return rx.el.section(
        rx.el.h2(_("While you pay"), class_name="heading", id="while"),
        rx.el.ul(*[rx.el.li(line) for line in lines], class_name="plain-list mt-3"),
        rx.cond(_page.usual != "", rx.el.p(_page.usual, ".", class_name="soft small mt-3")),
        rx.el.div(
            rx.el.span(_("Paid already?"), class_name="soft small"),
            _check_now(),
            class_name="flex flex-wrap items-center gap-x-3 gap-y-1 mt-4",
        ),
        _asked(),
        aria_labelledby="while",
    )


def _on_the_phone() -> rx.Component:
    is_local = urlsplit(get_settings().ui_origin).hostname in ("localhost", "127.0.0.1", "::1")
    words = (
        _("While this runs on your own computer, only that computer can open the address.")
        if is_local
        else _("Scan it, sign in, and you are here again.")
    )
    return rx.el.section(
        rx.el.h2(_("Continue on your phone"), class_name="heading", id="phone"),
        rx.el.p(words, class_name="soft small mt-1"),
        rx.el.svg(
            rx.el.svg.title(_("QR code of this page's address")),
            rx.el.svg.path(d=_page.code, fill="#14272a"),
            view_box=f"0 0 {_page.code_size} {_page.code_size}",
            role="img",
            shape_rendering="crispEdges",
            class_name="qr-code mt-4",
        ),
        aria_labelledby="phone",
        class_name="hidden md:block",
    )


def _cancel() -> rx.Component:
    # Native: it opens without a script, Escape closes it, and the rest of the page waits behind it.
    return rx.el.div(
        rx.el.button(
            _("Cancel this top-up"),
            type="button",
            custom_attrs={"popoverTarget": _DIALOG},
            class_name="link small min-h-11",
        ),
        link(_("Back to home"), to="/home", class_name="link small inline-flex items-center min-h-11"),
        rx.el.dialog(
            rx.el.h2(_("Cancel this top-up?"), class_name="heading", id=f"{_DIALOG}-title"),
            rx.el.p(
                _("The offer ends. A payment that you made all the same is still credited."),
                class_name="soft mt-2",
            ),
            rx.el.div(
                rx.el.button(
                    _("Keep it"),
                    type="button",
                    auto_focus=True,
                    custom_attrs={"popoverTarget": _DIALOG, "popoverTargetAction": "hide"},
                    class_name="button button-quiet",
                ),
                rx.el.button(
                    _("Cancel top-up"),
                    type="button",
                    on_click=TopUpState.cancel.temporal,  # type: ignore[attr-defined]  # Reflex makes it a handler
                    custom_attrs={"popoverTarget": _DIALOG, "popoverTargetAction": "hide"},
                    class_name="button button-main",
                ),
                class_name="flex flex-wrap gap-3 mt-6",
            ),
            id=_DIALOG,
            custom_attrs={"popover": "auto"},
            aria_labelledby=f"{_DIALOG}-title",
            class_name="dialog",
        ),
        class_name="flex flex-wrap gap-x-6",
    )


# On its way


def _moving() -> rx.Component:
    return rx.el.article(
        _head(),
        rx.cond(
            _page.warning != "",
            rx.el.div(notice(_page.warning, kind="now"), class_name="warning mt-5"),
        ),
        rx.el.ol(rx.foreach(_page.steps, _step), class_name="steps timeline mt-7"),
        rx.el.div(
            link(_("Back to home"), to="/home", class_name="button button-quiet"),
            _check_now(size="button"),
            class_name="flex flex-wrap items-center gap-3 mt-7",
        ),
        _asked(),
        _help(),
        class_name="card top-up",
    )


def _head() -> rx.Component:
    return rx.fragment(
        rx.el.p(_page.summary, class_name="soft"),
        rx.el.h1(_page.title, class_name="title mt-1"),
        rx.el.p(
            _("You can close this page. It goes on without you, and you find it again under Activity."),
            class_name="soft mt-2",
        ),
    )


def _step(line: StepLine) -> rx.Component:
    return rx.el.li(
        rx.el.span(class_name="step-dot", aria_hidden="true"),
        rx.el.div(
            rx.el.div(
                rx.el.h2(line.title, class_name="font-semibold"),
                rx.match(
                    line.state,
                    ("now", rx.el.span(_("now"), class_name="soft tiny")),
                    ("done", clock_of(line.at, class_name="soft tiny")),
                    rx.el.span(_("next"), class_name="sr-only"),
                ),
                class_name="flex items-baseline justify-between gap-4",
            ),
            rx.cond(line.detail != "", rx.el.p(line.detail, class_name="soft small mt-0.5")),
            class_name="min-w-0",
        ),
        class_name=line.state,
        aria_current=rx.cond(line.state == "now", "step", "false"),
    )


# In the balance


def _settled() -> rx.Component:
    return rx.el.article(
        mark(88),
        rx.el.h1(_page.amount_label, class_name="soft text-[16px] font-normal mt-7"),
        _money(),
        rx.cond(_page.balance != "", rx.el.p(_page.balance, class_name="soft mt-1")),
        _facts(),
        _notes(),
        _related(),
        rx.el.div(
            link(_("Done"), to="/home", class_name="button button-main"),
            link(_("Add again"), to=_page.again_address, class_name="button button-quiet"),
            class_name="flex flex-wrap justify-center gap-3 mt-7",
        ),
        rx.cond(_page.is_short, rx.el.div(_contact(), class_name="mt-4")),
        rx.el.div(_story(), class_name="mt-4"),
        class_name="card top-up grid justify-items-center text-center success",
    )


def _money() -> rx.Component:
    return money(_page.amount, _page.amount_decimals, unit=_page.asset, exact=_page.amount_exact)


def _facts() -> rx.Component:
    return rx.cond(
        _page.facts.length() > 0,  # type: ignore[attr-defined]  # a Var by now
        rx.el.dl(rx.foreach(_page.facts, _fact), class_name="three-facts mt-6"),
    )


def _fact(fact: AmountFact) -> rx.Component:
    return rx.el.div(
        rx.el.dt(fact.label, class_name="soft tiny"),
        rx.el.dd(fact.amount, title=fact.exact, class_name="font-semibold"),
    )


def _notes() -> rx.Component:
    return rx.foreach(_page.notes, lambda note: rx.el.p(note, class_name="soft small mt-4"))


def _related() -> rx.Component:
    return rx.foreach(_page.related, _related_line)


def _related_line(related: Related) -> rx.Component:
    return rx.el.p(
        link(related.words, to=related.address, class_name="link small inline-flex items-center min-h-11"),
        class_name="mt-2",
    )


# What became of it


def _told() -> rx.Component:
    return rx.el.article(
        rx.el.p(_page.summary, class_name="soft"),
        rx.el.h1(_page.title, class_name="title mt-1"),
        rx.el.p(_("Was I charged?"), class_name="soft small mt-6"),
        rx.el.p(_page.charged, class_name="answer"),
        as_of_line(_page.as_of),
        rx.cond(
            _page.amount != "",
            rx.el.div(
                rx.el.p(_page.amount_label, class_name="soft small"),
                _money(),
                class_name="mt-5",
            ),
        ),
        rx.el.p(_page.happened, class_name="mt-5"),
        rx.el.p(_page.next, class_name="mt-3"),
        rx.cond(
            _page.kind == "review",
            rx.el.p(
                _("We answer within one working day. If you hear nothing, write to us."), class_name="mt-3"
            ),
        ),
        _notes(),
        _facts(),
        _related(),
        rx.el.div(
            rx.cond(
                _page.can_start_again,
                link(_("Start again"), to=_page.again_address, class_name="button button-main"),
            ),
            link(
                _("Back to home"),
                to="/home",
                class_name=rx.cond(_page.can_start_again, "button button-quiet", "button button-main"),
            ),
            class_name="flex flex-wrap gap-3 mt-7",
        ),
        rx.el.div(
            rx.el.h2(_("Something wrong?"), class_name="sr-only"), _contact(), _story(), class_name="help"
        ),
        class_name="card top-up",
    )


def _missing() -> rx.Component:
    return rx.el.div(
        rx.el.h1(_page.title, class_name="title"),
        rx.el.p(
            _("The address may be incomplete, or it belongs to another account."), class_name="lead mt-2"
        ),
        link(_("Back to home"), to="/home", class_name="button button-main mt-6"),
        class_name="top-up pt-4 md:pt-10",
    )


# What several of them show


def _check_now(size: str = "button button-slim") -> rx.Component:
    return rx.el.button(
        _("Check now"),
        type="button",
        on_click=TopUpState.check_now,
        class_name=f"{size} button-quiet",
    )


def _asked() -> rx.Component:
    return rx.el.p(
        rx.cond(
            TopUpState.asked_at != "",
            rx.fragment(
                _("Asked the provider at"),
                " ",
                clock_of(TopUpState.asked_at),
                ". ",
                _("News shows here by itself."),
            ),
        ),
        role="status",
        class_name="soft tiny mt-3 empty:hidden",
    )


def _story() -> rx.Component:
    return link(
        _("The whole story"),
        to=_page.story_address,
        class_name="link small inline-flex items-center min-h-11",
    )


def _help() -> rx.Component:
    return rx.el.details(
        rx.el.summary(_("Something wrong?"), class_name="link small"), _contact(), class_name="help"
    )


def _contact() -> rx.Component:
    return rx.el.p(
        rx.cond(
            _page.mail_address != "",
            rx.fragment(
                rx.el.a(_("Write to us"), href=_page.mail_address, class_name="link"),
                " ",
                _("and name this reference:"),
            ),
            _("Ask whoever runs this wallet, and name this reference:"),
        ),
        " ",
        rx.el.strong(_page.reference, class_name="whitespace-nowrap"),
        rx.cond(
            _page.provider_order != "",
            rx.fragment(", ", _("provider order"), " ", rx.el.strong(_page.provider_order)),
        ),
        ".",
        class_name="soft small mt-2",
    )
