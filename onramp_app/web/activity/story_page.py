"""`/activity/[id]`: the whole story of one top-up or ledger transfer. The page prints as a receipt."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.activity.shapes import Fact, StoryStep
from onramp_app.web.activity.story_state import StoryState
from onramp_app.web.parts.activity_rows import row_skeletons, state_tag
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.money import money
from onramp_app.web.parts.places import api_action, file_link, link, path_of
from onramp_app.web.parts.shell.connection import works_offline
from onramp_app.web.parts.support import contact, copy_button
from onramp_app.web.parts.times import as_of_line, time_of
from onramp_app.web.tabs.session import SessionState


def story() -> rx.Component:
    return private_page(
        rx.el.div(
            link("← ", _("Activity"), to="/activity", class_name="place small no-print justify-self-start"),
            rx.cond(
                # The story of another address may still be here while this one's is read.
                StoryState.is_loaded & (StoryState.shown == rx.State.id),  # type: ignore[attr-defined]  # Reflex adds it with the route
                rx.cond(StoryState.is_missing, _missing(), _whole()),
                _skeleton(),
            ),
            class_name="mx-auto grid w-full max-w-[760px] grid-cols-[minmax(0,1fr)] gap-4",
        ),
        here="/activity",
        waiting=rx.el.div(_skeleton(), class_name="mx-auto w-full max-w-[760px] pt-[60px]"),
    )


def _missing() -> rx.Component:
    return rx.el.section(
        rx.el.h1(_("Not found"), class_name="title"),
        rx.el.p(
            _("The address may be mistyped, or it belongs to another account. Your money is where it was."),
            class_name="soft",
        ),
        link(_("Go to your activity"), to="/activity", class_name="button button-main mt-3"),
        class_name="card grid justify-items-start gap-2",
    )


def _whole() -> rx.Component:
    story_shown = StoryState.story
    return rx.fragment(
        _receipt_head(),
        rx.el.section(
            rx.el.div(
                rx.el.h1(story_shown.title, class_name="heading"),
                state_tag(story_shown.tag, story_shown.tone),
                class_name="flex flex-wrap items-center justify-between gap-3",
                role="status",
            ),
            rx.el.div(money(story_shown.head, story_shown.tail, unit=story_shown.unit), class_name="mt-2"),
            time_of(story_shown.at, class_name="soft small"),
            rx.cond(story_shown.charged != "", rx.el.p(story_shown.charged, class_name="heading mt-4")),
            as_of_line(story_shown.as_of),
            rx.cond(story_shown.text != "", rx.el.p(story_shown.text, class_name="soft mt-3")),
            rx.cond(
                story_shown.amounts,
                rx.el.dl(rx.foreach(story_shown.amounts, _amount), class_name="three-facts mt-5"),
            ),
            rx.cond(story_shown.variance != "", rx.el.p(story_shown.variance, class_name="soft small mt-3")),
            _ways_on(),
            class_name="card",
        ),
        rx.cond(story_shown.steps, _steps()),
        rx.el.section(
            rx.el.h2(_("Details"), class_name="heading mb-2"),
            rx.el.dl(
                rx.foreach(story_shown.facts, _fact),
                rx.foreach(story_shown.codes, _fact),
                class_name="fact-list",
            ),
            class_name="card",
        ),
        _receipt(),
        _help(),
    )


def _receipt_head() -> rx.Component:
    settings, person = get_settings(), SessionState.person
    simulated = () if settings.is_production else (" · ", _("Simulated money. Nothing here is real."))
    return rx.el.p(
        settings.app_name,
        " · ",
        person.display_name,
        " · ",
        person.email,
        *simulated,
        class_name="print-only",
    )


def _amount(fact: Fact) -> rx.Component:
    return rx.el.div(
        rx.el.dt(fact.label, class_name="soft tiny"),
        rx.el.dd(fact.value, class_name="font-semibold"),
    )


def _fact(fact: Fact) -> rx.Component:
    value = rx.cond(
        fact.address != "",
        rx.el.a(fact.value, href=fact.address, target="_blank", rel="noopener noreferrer", class_name="link"),
        fact.value,
    )
    return rx.el.div(
        rx.el.dt(fact.label, class_name="soft"),
        rx.cond(
            fact.is_code,
            rx.el.dd(
                rx.el.span(value, title=fact.value, class_name="code"),
                copy_button(fact.label),
                class_name="fact-code",
            ),
            rx.el.dd(value, rx.cond(fact.note != "", rx.el.span(" ", fact.note, class_name="soft small"))),
        ),
    )


def _receipt() -> rx.Component:
    shown = StoryState.story
    print_page: rx.Var[object] = rx.vars.FunctionStringVar.create("(() => window.print())")
    return rx.fragment(
        rx.el.section(
            rx.el.h2(_("Receipt"), class_name="heading"),
            rx.el.p(
                _("One page, with a code by which anybody can check that it's genuine. Times are in UTC."),
                class_name="soft small mt-1",
            ),
            rx.el.div(
                file_link(
                    _("Download receipt (PDF)"),
                    address=f"{api_action('/api/transactions/')}{shown.id}/receipt.pdf",
                    name=f"receipt-{shown.reference}.pdf",
                    class_name="button button-quiet",
                ),
                rx.el.button(
                    _("Print"),
                    type="button",
                    on_click=print_page,
                    custom_attrs=works_offline(),
                    class_name="button button-quiet",
                ),
                class_name="flex flex-wrap gap-3 mt-4",
            ),
            class_name="card no-print",
        ),
        rx.el.p(
            _("Check that this receipt is genuine:"),
            " ",
            shown.check_address,
            class_name="print-only small break-all",
        ),
    )


def _ways_on() -> rx.Component:
    story_shown = StoryState.story
    return rx.el.div(
        rx.cond(
            story_shown.next_top_up != "",
            link(
                story_shown.next_action,
                to=f"{path_of('/add-money')}/{story_shown.next_top_up}",
                class_name="button button-main",
            ),
            rx.cond(
                story_shown.again != "",
                link(story_shown.again, to=story_shown.again_address, class_name="button button-main"),
            ),
        ),
        rx.cond(
            story_shown.top_up_id != "",
            link(
                _("See the top-up"),
                to=f"{path_of('/activity')}/{story_shown.top_up_id}",
                class_name="button button-quiet",
            ),
        ),
        class_name="no-print flex flex-wrap gap-3 mt-6 empty:hidden",
    )


def _steps() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Step by step"), class_name="heading mb-5"),
        rx.el.ol(rx.foreach(StoryState.story.steps, _step), class_name="steps"),
        class_name="card no-print",
    )


def _step(step: StoryStep) -> rx.Component:
    return rx.el.li(
        rx.el.span(class_name="step-dot", aria_hidden="true"),
        rx.el.div(
            rx.el.p(step.title, class_name="font-semibold"),
            rx.el.p(time_of(step.at), " · ", step.source, class_name="soft small mt-0.5"),
        ),
        class_name=rx.cond(step.is_now, "now", "done"),
        aria_current=rx.cond(step.is_now, "step", "false"),
    )


def _help() -> rx.Component:
    shown = StoryState.story
    return rx.el.section(
        rx.el.h2(_("Something wrong?"), class_name="heading"),
        contact(shown.mail_address, shown.reference, provider_order=shown.provider_order),
        rx.el.p(
            _(
                "Attach this file to your message: it says step by step what happened. It holds no name, no"
                " email address and nothing secret."
            ),
            class_name="soft small mt-4",
        ),
        file_link(
            _("Save a file for support"),
            address=f"{api_action('/api/transactions/')}{shown.id}/support.json",
            name=f"support-{shown.reference}.json",
            class_name="button button-quiet button-slim mt-3",
        ),
        class_name="card no-print",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("One moment."), role="status", class_name="sr-only"),
        rx.el.span(class_name="skeleton h-6 w-40"),
        rx.el.span(class_name="skeleton mt-4 h-12 w-60"),
        row_skeletons(5),
        class_name="card",
    )
