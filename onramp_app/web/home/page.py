"""`/home`: the balance, the top-ups on their way, and the latest activity."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.home.count_up import CountsUp
from onramp_app.web.home.shapes import AssetRow, OpenCard, WorthOnDay
from onramp_app.web.home.skeleton import skeleton
from onramp_app.web.home.state import HomeState
from onramp_app.web.parts.activity_rows import activity_rows
from onramp_app.web.parts.countries import currency_options
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.places import link, path_of
from onramp_app.web.parts.signs import mark
from onramp_app.web.parts.steps import how_adding_money_works
from onramp_app.web.parts.times import clock_of, day_of, time_of
from onramp_app.web.parts.wallet.balance import chart, chart_table, large_amount
from onramp_app.web.parts.wallet.strip import steps_done, strip, strip_way, way_parts
from onramp_app.web.tabs.session import SessionState

_BALANCE = "balance-amount"


def home() -> rx.Component:
    return private_page(
        rx.el.h1(_("Home"), class_name="sr-only"),
        rx.cond(HomeState.verification != "", _verification()),
        # The keys keep React from reusing elements of one for another, which would be seen to move.
        rx.cond(
            HomeState.is_loaded,
            rx.cond(
                HomeState.is_first_run,
                rx.fragment(_first_run(), key="first-run"),
                rx.fragment(_wallet(), key="wallet"),
            ),
            rx.fragment(skeleton(), key="skeleton"),
        ),
        here="/home",
        waiting=skeleton(),
    )


def _verification() -> rx.Component:
    return rx.el.div(
        notice(
            HomeState.verification,
            " ",
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
                rx.el.h2(_("Your wallet is ready"), class_name="display"),
                rx.el.p(
                    _("Pay the way you usually do, and watch your money arrive here."),
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
        _on_top(),
        _balance(),
        _assets(),
        _recent(),
        class_name="wallet",
    )


def _on_top() -> rx.Component:
    """Show the open top-ups or, without any, the last one to repeat, always in the same place and height."""
    several = HomeState.several
    return rx.el.section(
        rx.cond(
            several.title != "",
            rx.el.details(
                rx.el.summary(*strip(several.title, several.text), class_name="strip strip-open"),
                rx.el.ul(
                    rx.foreach(HomeState.open_cards, _open_card),
                    aria_label=_("On its way"),
                    class_name="grid gap-2 mt-2",
                ),
                class_name="strip-fold",
            ),
            rx.cond(
                HomeState.open_cards,
                rx.el.ul(
                    rx.foreach(HomeState.open_cards, _open_card),
                    aria_label=rx.cond(HomeState.is_over, _("Just ended"), _("On its way")),
                ),
                _repeat(),
            ),
        ),
        class_name="wallet-open",
    )


def _open_card(card: OpenCard) -> rx.Component:
    return rx.el.li(
        *strip(
            card.title,
            card.text,
            progress=steps_done(card.step, card.steps, label=card.title),
            way=strip_way(card.action, card.title, to=f"{path_of('/add-money')}/{card.top_up_id}"),
        ),
        key=card.top_up_id,
        class_name="strip strip-open",
    )


def _repeat() -> rx.Component:
    repeat = HomeState.repeat
    return rx.cond(
        repeat.search != "",
        rx.el.div(
            *strip(
                repeat.title,
                _("Your last top-up, at today's rate. You check everything before you pay."),
                way=link(
                    *way_parts(_("Repeat"), ""),
                    to=f"{path_of('/add-money')}{repeat.search}",
                    aria_label=repeat.title,
                    class_name="strip-way",
                ),
            ),
            class_name="strip",
        ),
        rx.el.div(
            *strip(_("Nothing is on its way"), _("What you add shows here until it's in your balance.")),
            class_name="strip",
        ),
    )


def _balance() -> rx.Component:
    balance = HomeState.balance
    return rx.el.section(
        rx.el.div(
            rx.el.h2(_("Balance"), class_name="soft font-normal", id="balance"),
            _currency_switch(),
            class_name="flex items-center justify-between -mt-2",
        ),
        large_amount(
            balance.head,
            balance.tail,
            words=balance.words,
            place=_BALANCE,
            count=CountsUp.create(shown_in=_BALANCE, head=balance.head, tail=balance.tail),
        ),
        rx.el.p(
            rx.cond(balance.second != "", rx.el.span(balance.second, " · ")),
            rx.cond(
                balance.rates_note != "",
                rx.el.span(balance.rates_note, " ", time_of(balance.rates_as_of, is_inside=True)),
                rx.el.span(filled(_("updated {time}"), time=clock_of(HomeState.as_of))),
            ),
            class_name="soft small mt-1",
        ),
        rx.cond(
            HomeState.line.line != "",
            _line(),
            rx.el.p(
                _("After your second top-up, you'll see your balance over time here."),
                class_name="chart-to-come soft small mt-5",
            ),
        ),
        rx.el.div(
            link(_("Add money"), to="/add-money", class_name="button button-main"),
            # On a phone the button is in the bar at the bottom, within reach of the thumb.
            class_name="hidden md:flex mt-6",
        ),
        aria_labelledby="balance",
        class_name="card wallet-balance",
    )


def _currency_switch() -> rx.Component:
    """Return the currency switch: the code, with an invisible native select of the full names over it."""
    currency = SessionState.person.display_currency
    return rx.el.div(
        rx.el.span(currency, aria_hidden="true"),
        rx.el.select(
            *[rx.el.option(words, value=code) for code, words in currency_options()],
            value=currency,
            on_change=HomeState.choose_currency,
            aria_label=_("Display currency"),
        ),
        class_name="code-switch",
    )


def _line() -> rx.Component:
    line = HomeState.line

    def moment(at: rx.Var[str] | str) -> rx.Component:
        return rx.cond(line.is_short, clock_of(at), day_of(at))

    return chart(
        line=line.line,
        area=line.area,
        scale=(line.top, line.half, line.zero),
        days=(moment(line.begins), moment(line.middle), rx.el.span(_("now"))),
        table=chart_table(line.words, rx.foreach(line.rows, _worth_on_day)),
    )


def _worth_on_day(row: WorthOnDay) -> rx.Component:
    return rx.el.tr(rx.el.th(time_of(row.at), scope="row"), rx.el.td(row.worth))


def _assets() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Assets"), class_name="heading", id="assets"),
        rx.cond(
            HomeState.assets,
            rx.el.ul(rx.foreach(HomeState.assets, _asset), class_name="activity mt-2"),
            rx.el.p(_("Nothing yet."), class_name="soft small min-h-[60px] mt-2"),
        ),
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
            for note in (asset.held, asset.reserved, asset.owed)
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
