"""What the wizard shows in place of its form: the open top-ups, or why no top-up can be begun."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.add_money.shapes import OpenTopUp
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.parts.activity_rows import state_tag
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.places import link
from onramp_app.web.parts.shell.titles import title
from onramp_app.web.parts.support import contact
from onramp_app.web.parts.times import clock_of, time_of


def open_question() -> rx.Component:
    """Return the answer to "is it safe to try again?", shown before somebody begins another top-up."""
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                title(WizardState.open_title),
                rx.el.p(WizardState.open_text, class_name="lead mt-2"),
                role="status",
            ),
            _how_well_known(),
            class_name="grid gap-3",
        ),
        rx.cond(WizardState.open_problem != "", notice(WizardState.open_problem, kind="bad")),
        rx.el.ul(rx.foreach(WizardState.open_ones, _open_one), class_name="grid gap-4"),
        rx.cond(
            WizardState.open_ones,
            rx.el.button(
                _("Start a new top-up"),
                type="button",
                on_click=WizardState.start_another,
                class_name="button button-quiet justify-self-start",
            ),
            rx.el.button(
                _("Add money"),
                type="button",
                on_click=WizardState.start_another,
                class_name="button button-main justify-self-start",
            ),
        ),
        class_name="mx-auto grid w-full max-w-[640px] gap-6 md:pt-4",
    )


def _how_well_known() -> rx.Component:
    return rx.el.p(
        rx.match(
            WizardState.reading,
            (
                "asking",
                rx.fragment(
                    rx.el.span(class_name="asking-dot", aria_hidden="true"),
                    _("Asking the provider whether it was paid."),
                ),
            ),
            (
                "current",
                filled(_("The provider answered at {time}."), time=clock_of(WizardState.read_at)),
            ),
            (
                "away",
                rx.fragment(
                    _("We couldn't ask the provider just now."),
                    rx.cond(
                        WizardState.read_at != "",
                        rx.fragment(
                            " ", filled(_("This is as of {time}."), time=clock_of(WizardState.read_at))
                        ),
                    ),
                    " ",
                    _ask(_("Ask again")),
                ),
            ),
            rx.cond(WizardState.open_ones, _ask(_("Ask the provider whether it was paid"))),
        ),
        role="status",
        class_name="soft small min-h-6",
    )


def _ask(words: str) -> rx.Component:
    return rx.el.button(words, type="button", on_click=WizardState.ask_provider, class_name="link -my-3 py-3")


def _open_one(one: OpenTopUp, number: rx.Var[int]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(
                rx.el.h2(one.title, class_name="heading"),
                rx.el.p(time_of(one.created_at), class_name="soft small mt-0.5"),
                class_name="min-w-0",
            ),
            state_tag(one.tag, one.tone),
            class_name="flex flex-wrap items-start justify-between gap-3",
        ),
        rx.el.p(
            rx.cond(
                # An older read says nothing about charges made since.
                (one.charged != "") & (WizardState.reading == "current"),
                rx.fragment(rx.el.span(one.charged, class_name="font-semibold"), " "),
            ),
            one.next,
        ),
        rx.el.div(
            link(
                one.action,
                to=f"/add-money/{one.id}",
                # One filled button per screen, however many top-ups are open.
                class_name=rx.cond(number == 0, "button button-main", "button button-quiet"),
            ),
            rx.cond(
                one.can_cancel,
                rx.el.button(
                    _("Cancel it"),
                    type="button",
                    on_click=WizardState.cancel_open(one.id).temporal,  # type: ignore[operator]
                    class_name="button button-quiet",
                ),
            ),
            class_name="flex flex-wrap gap-3",
        ),
        key=one.id,
        class_name="card grid gap-4",
    )


def blocked() -> rx.Component:
    """Return why this person cannot add money, and whom to ask."""
    why = WizardState.blocked
    return rx.el.section(
        title(why.title),
        rx.el.p(why.text, class_name="lead"),
        contact(why.mail_address, why.reference, label=_("Account ID")),
        link(_("Back to home"), to="/home", class_name="button button-main justify-self-start mt-2"),
        class_name="card mx-auto grid w-full max-w-[640px] gap-3",
    )
