"""`/home`: the balance, the top-ups on their way, and the latest activity."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.home.count_up import CountsUp
from onramp_app.web.home.shapes import AssetRow, OpenCard
from onramp_app.web.home.state import HomeState
from onramp_app.web.parts.activity_rows import activity_rows, row_skeletons
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.money import money_size
from onramp_app.web.parts.places import link, path_of
from onramp_app.web.parts.signs import mark
from onramp_app.web.parts.steps import how_adding_money_works
from onramp_app.web.parts.times import clock_of, time_of

_BALANCE = "balance-amount"


def home() -> rx.Component:
    return private_page(
        rx.el.h1(_("Home"), class_name="sr-only"),
        rx.cond(HomeState.verification != "", _verification()),
        rx.cond(HomeState.is_loaded, rx.cond(HomeState.is_first_run, _first_run(), _wallet()), _skeleton()),
        here="/home",
    )


def _verification() -> rx.Component:
    return rx.el.div(
        notice(
            HomeState.verification,
            ". ",
            link(_("View verification"), to="/verify", class_name="link"),
            kind="now",
        ),
        class_name="mb-6",
    )


def _first_run() -> rx.Component:
    return rx.el.div(
        rx.el.section(
            mark(64),
            rx.el.div(
                rx.el.h2(_("Your wallet is open, and empty"), class_name="display"),
                rx.el.p(
                    _("Add money the way you always pay, and watch it arrive here."),
                    class_name="lead max-w-[32em] mt-4",
                ),
            ),
            link(_("Add money"), to="/add-money", class_name="button button-main"),
            class_name="grid content-start justify-items-start gap-7",
        ),
        how_adding_money_works(),
        class_name="grid gap-10 pt-2 md:pt-14 lg:grid-cols-[1.15fr_1fr] lg:gap-16 lg:items-center",
    )


def _wallet() -> rx.Component:
    return rx.el.div(
        rx.cond(
            HomeState.open_cards,
            rx.el.ul(
                rx.foreach(HomeState.open_cards, _open_card),
                aria_label=_("On its way"),
                class_name="wallet-open grid gap-3",
            ),
        ),
        _balance(),
        rx.cond(HomeState.assets, _assets()),
        _recent(),
        class_name="wallet",
    )


def _open_card(card: OpenCard) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(card.title, class_name="font-semibold"),
            rx.el.p(card.text, class_name="soft small mt-0.5"),
            rx.cond(
                card.step > 0,
                rx.el.progress(
                    value=card.step,
                    max=card.steps,
                    aria_label=card.title,
                    class_name="bar mt-3",
                ),
            ),
            class_name="open-card-words",
        ),
        link(
            card.action,
            rx.el.span(": ", card.title, class_name="sr-only"),
            to=f"{path_of('/add-money')}/{card.top_up_id}",
            class_name="button button-quiet button-slim",
        ),
        key=card.top_up_id,
        class_name="open-card",
    )


def _balance() -> rx.Component:
    balance = HomeState.balance
    return rx.el.section(
        rx.el.h2(_("Balance"), class_name="soft font-normal", id="balance"),
        rx.el.p(
            rx.el.span(balance.words, class_name="sr-only"),
            rx.el.span(
                balance.head,
                rx.el.span(balance.tail, class_name="money-tail"),
                aria_hidden="true",
                id=_BALANCE,
            ),
            CountsUp.create(shown_in=_BALANCE, head=balance.head, tail=balance.tail),
            aria_live="polite",
            aria_atomic="true",
            class_name=money_size(balance.head),
        ),
        rx.el.p(
            rx.cond(balance.second != "", rx.el.span(balance.second, " · ")),
            _("updated"),
            " ",
            clock_of(HomeState.as_of),
            class_name="soft small mt-1",
        ),
        rx.cond(
            balance.rates_note != "",
            rx.el.p(
                balance.rates_note,
                rx.cond(
                    balance.rates_as_of != "",
                    rx.el.span(
                        " ", _("They are from"), " ", time_of(balance.rates_as_of, is_inside=True), "."
                    ),
                ),
                class_name="soft small mt-1",
            ),
        ),
        rx.cond(HomeState.line.line != "", _line()),
        rx.el.div(
            link(_("Add money"), to="/add-money", class_name="button button-main"),
            link(_("Activity"), to="/activity", class_name="button button-quiet"),
            # On the phone both are in the bar below, where the thumb is.
            class_name="hidden md:flex flex-wrap gap-3 mt-6",
        ),
        aria_labelledby="balance",
        class_name="card wallet-balance",
    )


def _line() -> rx.Component:
    line = HomeState.line
    return rx.el.figure(
        rx.el.svg(
            rx.el.svg.path(d=line.area, fill="var(--petrol-wash)"),
            rx.el.svg.path(
                d=line.line,
                fill="none",
                stroke="var(--petrol)",
                stroke_width="2.5",
                stroke_linejoin="round",
                custom_attrs={"vectorEffect": "non-scaling-stroke"},
            ),
            view_box="0 0 600 100",
            custom_attrs={"preserveAspectRatio": "none"},
            role="img",
            aria_label=line.words,
            class_name="balance-line",
        ),
        rx.el.figcaption(
            time_of(line.begins),
            rx.el.span(_("now")),
            class_name="flex justify-between soft tiny mt-1.5",
        ),
        class_name="mt-6",
    )


def _assets() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Assets"), class_name="heading", id="assets"),
        rx.el.ul(rx.foreach(HomeState.assets, _asset), class_name="activity mt-2"),
        aria_labelledby="assets",
        class_name="card wallet-assets",
    )


def _asset(asset: AssetRow) -> rx.Component:
    return rx.el.li(
        rx.el.span(asset.code, aria_hidden="true", class_name="round-sign round-code"),
        rx.el.div(
            rx.el.p(asset.name, class_name="font-semibold"),
            rx.el.p(
                rx.cond(asset.arriving != "", asset.arriving, asset.code),
                class_name="soft small",
            ),
            class_name="min-w-0 flex-1",
        ),
        rx.el.div(
            rx.el.p(asset.amount, class_name="font-semibold"),
            rx.el.p(asset.worth, class_name="soft small"),
            class_name="text-end",
        ),
        *[
            rx.cond(note != "", rx.el.p(note, class_name="small asset-note"))
            for note in (asset.held, asset.owed)
        ],
        key=asset.code,
        class_name="activity-row flex-wrap",
    )


def _recent() -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2(_("Recent activity"), class_name="heading", id="recent"),
            link(
                _("See all"),
                to="/activity",
                class_name="link small -my-2.5 inline-flex min-h-11 items-center",
            ),
            class_name="flex items-center justify-between gap-4",
        ),
        activity_rows(HomeState.recent, label=_("Recent activity")),
        aria_labelledby="recent",
        class_name="card wallet-recent",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("One moment."), role="status", class_name="sr-only"),
        rx.el.div(
            rx.el.span(class_name="skeleton h-5 w-20"),
            rx.el.span(class_name="skeleton mt-2 h-12 w-52"),
            rx.el.span(class_name="skeleton mt-3 h-4 w-40"),
            rx.el.span(class_name="skeleton mt-6 h-[100px] w-full"),
            rx.el.span(class_name="skeleton mt-8 hidden h-12 w-64 rounded-full md:block"),
            class_name="card wallet-balance",
        ),
        rx.el.div(
            rx.el.span(class_name="skeleton h-5 w-24"), row_skeletons(2), class_name="card wallet-assets"
        ),
        rx.el.div(
            rx.el.span(class_name="skeleton h-5 w-36"), row_skeletons(4), class_name="card wallet-recent"
        ),
        class_name="wallet",
    )
