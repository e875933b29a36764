"""`/add-money/[id]`: one top-up, on any device: pay, watch the money arrive, or read how it ended."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.money import money
from onramp_app.web.parts.places import api_action, file_link, link
from onramp_app.web.parts.shell.titles import FocusesTitle, title
from onramp_app.web.parts.signs import mark, sign
from onramp_app.web.parts.times import as_of_line, clock_of
from onramp_app.web.tabs.session import SessionState
from onramp_app.web.top_up.check_now import asked_line, check_now
from onramp_app.web.top_up.help import ask_about_it, folded_help
from onramp_app.web.top_up.offer_page import offered
from onramp_app.web.top_up.outline import outline
from onramp_app.web.top_up.shapes import AmountFact, Related, StepLine
from onramp_app.web.top_up.state import TopUpPageState

_page = TopUpPageState.page


def top_up() -> rx.Component:
    return private_page(
        # Always on the page, because screen readers skip a live region that appears together with its words.
        rx.el.p(_page.announcement, role="status", class_name="sr-only"),
        FocusesTitle.create(
            part=rx.cond(_page.id == rx.State.top_up_id, _page.id + _page.kind, ""),  # type: ignore[attr-defined]
            only_when_lost=True,
        ),
        rx.cond(
            # The state may still hold another top-up while this one is read.
            _page.id == rx.State.top_up_id,  # type: ignore[attr-defined]  # Reflex adds it with the route
            rx.match(
                _page.kind,
                ("offered", offered()),
                ("moving", moving(link(_("Back to home"), to="/home", class_name="button button-quiet"))),
                (
                    "settled",
                    settled(
                        link(_("Done"), to="/home", class_name="button button-main"),
                        link(_("Add again"), to=_page.again_address, class_name="button button-quiet"),
                    ),
                ),
                ("missing", _missing()),
                closed(
                    rx.cond(
                        _page.can_start_again,
                        link(
                            _("Start a new top-up"), to=_page.again_address, class_name="button button-main"
                        ),
                    ),
                    link(
                        _("Back to home"),
                        to="/home",
                        class_name=rx.cond(
                            _page.can_start_again, "button button-quiet", "button button-main"
                        ),
                    ),
                ),
            ),
            outline(),
        ),
        here="/add-money",
        waiting=outline(),
    )


# On its way


def moving(*ways: rx.Component) -> rx.Component:
    """Return a top-up that is on its way; `ways` are the buttons that lead on from here."""
    return rx.el.article(
        _head(),
        rx.el.ol(rx.foreach(_page.steps, _step), class_name="steps timeline mt-5"),
        rx.el.div(
            *ways,
            check_now(size="button"),
            class_name="flex flex-wrap items-center gap-3 mt-7",
        ),
        asked_line(),
        folded_help(),
        class_name="card top-up",
    )


def _head() -> rx.Component:
    return rx.fragment(
        rx.el.p(_page.summary, class_name="soft"),
        title(_page.title, class_name="title mt-1"),
        # The steps below stay where they are, whether there is a warning or not.
        rx.el.div(
            rx.cond(
                _page.warning != "",
                notice(_page.warning, kind="now"),
                rx.el.p(
                    rx.cond(
                        SessionState.is_narrow,
                        _("You can close this page. We'll keep going."),
                        _("You can close this page. We'll keep going. Find it any time in Activity."),
                    ),
                    class_name="soft",
                ),
            ),
            class_name="moving-said warning",
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


def settled(*ways: rx.Component) -> rx.Component:
    """Return a top-up whose money has arrived; `ways` as in `moving`."""
    return rx.el.article(
        # The wave rises only for the quoted amount. Less than that is credited too, but is no success.
        rx.cond(_page.is_short, _short_sign(), mark(88)),
        title(_page.amount_label, class_name="soft text-[16px] font-normal mt-7"),
        _money(),
        rx.cond(_page.balance != "", rx.el.p(_page.balance, class_name="soft mt-1")),
        _facts(),
        rx.cond(
            _page.is_short,
            rx.el.div(
                notice(rx.foreach(_page.notes, lambda note: rx.el.p(note, class_name="small")), kind="now"),
                class_name="warning mt-5 text-start",
            ),
            _notes(),
        ),
        _related(),
        rx.el.div(
            *ways,
            class_name="flex flex-wrap justify-center gap-3 mt-7",
        ),
        rx.cond(_page.is_short, rx.el.div(ask_about_it(), class_name="mt-4 [&>div]:justify-items-center")),
        rx.cond(
            SessionState.is_narrow,  # Both are for people who are signed in.
            rx.fragment(),
            rx.el.div(_story(), _receipt(), class_name="flex flex-wrap justify-center gap-x-6 mt-4"),
        ),
        class_name=rx.cond(
            _page.is_short,
            "card top-up grid justify-items-center text-center",
            "card top-up grid justify-items-center text-center success",
        ),
    )


def _short_sign() -> rx.Component:
    return rx.el.span(sign("M12 5v9", "M12 18.5v.01"), class_name="short-sign")


def _money() -> rx.Component:
    return money(_page.amount, _page.amount_decimals, unit=_page.asset, exact=_page.amount_exact)


def _facts() -> rx.Component:
    return rx.fragment(
        rx.cond(
            _page.facts.length() > 0,  # type: ignore[attr-defined]  # a Var by now
            rx.el.dl(rx.foreach(_page.facts, _fact), class_name="three-facts mt-6"),
        ),
        rx.cond(
            _page.seen != "",
            rx.el.p(
                _("Seen on the chain:"),
                " ",
                rx.el.a(
                    _page.seen, href=_page.seen_address, target="_blank", rel="noopener", class_name="link"
                ),
                class_name="soft small mt-4",
            ),
        ),
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


def closed(*ways: rx.Component) -> rx.Component:
    """Return a top-up that ended without money, was reversed or is in review; `ways` as in `moving`."""
    return rx.el.article(
        rx.el.p(_page.summary, class_name="soft"),
        title(_page.title, class_name="title mt-1"),
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
                _("We answer within one working day. If you hear nothing, contact support."),
                class_name="mt-3",
            ),
        ),
        _notes(),
        _facts(),
        _related(),
        rx.el.div(
            *ways,
            class_name="flex flex-wrap gap-3 mt-7",
        ),
        rx.el.div(
            rx.el.h2(_("Something wrong?"), class_name="sr-only"),
            ask_about_it(),
            rx.cond(SessionState.is_narrow, rx.fragment(), _story()),
            class_name="help",
        ),
        class_name="card top-up",
    )


def _missing() -> rx.Component:
    return rx.el.div(
        title(_page.title),
        rx.el.p(
            _("The address may be incomplete, or it belongs to another account."), class_name="lead mt-2"
        ),
        link(_("Back to home"), to="/home", class_name="button button-main mt-6"),
        class_name="top-up pt-4 md:pt-10",
    )


def _receipt() -> rx.Component:
    return file_link(
        _("Receipt (PDF)"),
        address=f"{api_action('/api/transactions/')}{_page.id}/receipt.pdf",
        name=f"receipt-{_page.reference}.pdf",
        class_name="link small inline-flex items-center min-h-11",
    )


# What several views show


def _story() -> rx.Component:
    return link(
        _("View details"),
        to=_page.story_address,
        class_name="link small inline-flex items-center min-h-11",
    )
