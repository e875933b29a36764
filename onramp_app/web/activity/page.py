"""`/activity`: every transaction, newest first. The filters are in the address."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.activity.filter_bar import filter_bar
from onramp_app.web.activity.shapes import ActivityDay
from onramp_app.web.activity.state import ActivityState
from onramp_app.web.parts.activity_rows import activity_rows, row_skeletons
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.places import api_action, file_link, link
from onramp_app.web.parts.shell.skeletons import list_skeleton
from onramp_app.web.parts.times import said_day


def activity() -> rx.Component:
    return private_page(
        rx.el.div(
            rx.el.div(
                rx.el.h1(_("Activity"), class_name="title"),
                file_link(
                    _("Download as CSV"),
                    address=f"{api_action('/api/transactions.csv')}{ActivityState.query}",
                    name="transactions.csv",
                    class_name="link small inline-flex min-h-11 items-center",
                ),
                class_name="flex flex-wrap items-center justify-between gap-x-6",
            ),
            filter_bar(),
            rx.cond(ActivityState.problem != "", notice(ActivityState.problem, kind="now")),
            rx.el.section(
                rx.cond(
                    ActivityState.is_loaded,
                    rx.cond(ActivityState.rows, _list(), _nothing()),
                    rx.fragment(
                        rx.el.p(_("One moment."), role="status", class_name="sr-only"), row_skeletons(8)
                    ),
                ),
                aria_label=_("Your activity"),
                class_name="card card-of-rows",
            ),
            class_name="mx-auto grid w-full max-w-[760px] grid-cols-[minmax(0,1fr)] gap-4 md:pt-4",
        ),
        here="/activity",
        waiting=list_skeleton(),
    )


def _list() -> rx.Component:
    return rx.fragment(
        rx.cond(
            ActivityState.is_later_part,
            rx.el.p(
                _("This is an older part of the list."),
                " ",
                link(_("Show everything"), to="/activity", class_name="link"),
                class_name="soft small flex min-h-11 items-center gap-1.5",
            ),
        ),
        rx.foreach(_by_day(), _day),
        rx.cond(
            ActivityState.has_more,
            rx.el.div(
                rx.el.button(
                    _("Show more"),
                    type="button",
                    on_click=ActivityState.show_more,
                    class_name="button button-quiet",
                ),
                class_name="grid justify-items-center pt-4",
            ),
        ),
        rx.cond(
            ActivityState.older != "",
            rx.el.div(
                rx.el.a(_("Show older"), href=ActivityState.older, class_name="button button-quiet"),
                class_name="grid justify-items-center pt-4",
            ),
        ),
    )


# The day of a moment is that of the browser, which alone knows the zone.
_BY_DAY = (
    "{rows}.reduce((days, row) => {{ const day = new Date(row.at).toDateString(); "
    "if (days.at(-1)?.day === day) days.at(-1).rows.push(row); "
    "else days.push({{day, at: row.at, rows: [row]}}); return days; }}, [])"
)


def _by_day() -> rx.Var[list[ActivityDay]]:
    rows = ActivityState.rows
    return rx.Var(
        _BY_DAY.format(rows=str(rows)),
        _var_type=list[ActivityDay],
        _var_data=rows._get_all_var_data(),  # type: ignore[attr-defined]  # a Var on the class
    )


def _day(day: ActivityDay) -> rx.Component:
    return rx.el.div(
        rx.el.h2(said_day(day.at), class_name="day"),
        activity_rows(day.rows, label=said_day(day.at), is_of_one_day=True),
        key=day.day,
    )


def _nothing() -> rx.Component:
    return rx.cond(
        ActivityState.query != "",
        _empty(
            _("No results"),
            _("Remove a filter or change the search. Ids, order numbers and hashes have to be complete."),
            link(_("Show everything"), to="/activity", class_name="button button-quiet"),
        ),
        _empty(
            _("No activity yet"),
            _("Every top-up and every change of your balance appears here."),
            link(_("Add money"), to="/add-money", class_name="button button-main"),
        ),
    )


def _empty(title: str, text: str, way_on: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.h2(title, class_name="heading"),
        rx.el.p(text, class_name="soft max-w-[30em]"),
        rx.el.div(way_on, class_name="pt-3"),
        class_name="grid justify-items-center gap-1 py-10 text-center",
    )
