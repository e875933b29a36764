"""`/outbox`: the mails of a wallet that runs on simulated money, each as rendered and as plain text."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.outbox.state import MailLine, OutboxState
from onramp_app.web.parts.layout import public_page
from onramp_app.web.parts.places import api_action
from onramp_app.web.parts.times import time_of


def outbox() -> rx.Component:
    return public_page(
        rx.el.h1(_("Outbox"), class_name="title"),
        rx.el.p(
            _("Emails this wallet would send. Nobody receives them, because the money here is simulated."),
            class_name="soft mt-1 mb-6",
        ),
        rx.cond(
            OutboxState.chosen != "",
            rx.el.div(
                _list(),
                _mail(),
                class_name="grid gap-6 items-start lg:grid-cols-[minmax(0,360px)_minmax(0,1fr)]",
            ),
            rx.cond(
                OutboxState.is_empty,
                rx.el.p(_("No emails yet. Create an account and one appears here."), class_name="card soft"),
            ),
        ),
        fills_up=True,
    )


def _list() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Emails"), class_name="heading mb-2"),
        rx.el.ul(rx.foreach(OutboxState.lines, _line), class_name="rows"),
        class_name="card min-w-0",
    )


def _line(line: MailLine) -> rx.Component:
    return rx.el.li(
        rx.el.button(
            rx.el.span(line.subject, class_name="block font-semibold break-words"),
            rx.el.span(line.recipient, class_name="block soft small break-words"),
            rx.el.span(line.state, " · ", time_of(line.at), class_name="block soft small"),
            type="button",
            aria_pressed=rx.cond(OutboxState.chosen == line.mail_id, "true", "false"),
            on_click=OutboxState.look(line.mail_id),  # type: ignore[operator]
            class_name="w-full min-h-11 text-left aria-pressed:text-(--petrol)",
        ),
        key=line.mail_id,
    )


def _mail() -> rx.Component:
    return rx.el.section(
        rx.el.h2(OutboxState.chosen_subject, class_name="heading break-words"),
        rx.el.p(_("To:"), " ", OutboxState.chosen_recipient, class_name="soft small mt-1 mb-4 break-words"),
        rx.el.iframe(
            src=rx.Var.create(api_action("/api/outbox/")).to(str) + OutboxState.chosen,
            title=_("How the email looks"),
            sandbox="allow-top-navigation-by-user-activation",
            class_name="w-full h-[860px] md:h-[680px] rounded-[12px] border border-(--line)",
        ),
        rx.el.h3(_("Plain text"), class_name="heading mt-6 mb-2"),
        rx.el.pre(
            OutboxState.plain,
            tab_index=0,
            aria_label=_("Plain text"),
            role="region",
            class_name="small whitespace-pre-wrap break-words font-mono",
        ),
        class_name="card min-w-0 order-first lg:order-none",
    )
