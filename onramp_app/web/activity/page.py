"""`/activity`: every transaction, newest first. The filters are in the address."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.pricing.names import asset_name
from onramp_app.texts import _
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.web.activity.state import ActivityState
from onramp_app.web.parts.activity_rows import activity_rows, row_skeletons
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.forms import choice_field, main_button, text_field
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.places import api_action, file_link, link
from onramp_app.web.parts.shell.skeletons import list_skeleton
from onramp_app.web.words.top_ups import tag_of


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
            _filter(),
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
            ActivityState.is_later_part | (ActivityState.query != ""),
            rx.el.p(
                rx.cond(ActivityState.is_later_part, _("These are older ones."), _("Only some are shown.")),
                " ",
                link(_("Show everything"), to="/activity", class_name="link"),
                class_name="soft small flex min-h-11 items-center gap-1.5",
            ),
        ),
        activity_rows(ActivityState.rows, label=_("Your activity")),
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
                rx.el.a(_("Older ones"), href=ActivityState.older, class_name="button button-quiet"),
                class_name="grid justify-items-center pt-4",
            ),
        ),
    )


def _nothing() -> rx.Component:
    return rx.cond(
        ActivityState.query != "",
        _empty(
            _("Nothing fits these filters"),
            _("Try fewer of them. Ids, orders and hashes are only found when they are complete."),
            link(_("Show everything"), to="/activity", class_name="button button-quiet"),
        ),
        _empty(
            _("Nothing has happened yet"),
            _("Each time you add money, it stands here with everything about it."),
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


# The person's days are those of their browser: the address holds the moments at which they begin.
_DAY_OF = "({m} ? new Date(new Date({m}).getTime() - {less}).toLocaleDateString('sv') : '')"
_BEGIN_OF = "(({f})?.{name} ? new Date({f}.{name} + 'T00:00').toISOString() : '')"
_END_OF = (
    "(({f})?.{name} ? ((d) => (d.setDate(d.getDate() + 1), d.toISOString()))"
    "(new Date({f}.{name} + 'T00:00')) : '')"
)


def _day_of(moment: str, *, less_milliseconds: int) -> rx.Var[str]:
    var = rx.Var.create(moment)
    return rx.Var(
        _DAY_OF.format(m=str(var), less=less_milliseconds),
        _var_type=str,
        _var_data=var._get_all_var_data(),
    )


def _search(form: rx.Var[dict[str, object]]) -> object:
    def moment(shape: str, name: str) -> rx.Var[str]:
        return rx.Var(shape.format(f=str(form), name=name), _var_type=str)

    since, before = moment(_BEGIN_OF, "first_day"), moment(_END_OF, "last_day")
    return ActivityState.search(form, since, before)  # type: ignore[operator]


def _filter() -> rx.Component:
    wanted = ActivityState.filter
    is_filtered = ActivityState.query != ""
    return rx.el.details(
        rx.el.summary(
            _("Filter"),
            rx.cond(is_filtered, rx.el.span(_("on"), class_name="tag tag-now ml-2")),
            class_name="button button-quiet button-slim",
        ),
        rx.el.form(
            choice_field(
                _("State"),
                "status",
                options=_statuses(),
                empty=_("Any"),
                default_value=wanted.status,
            ),
            choice_field(
                _("Asset"),
                "asset",
                options=[(code, f"{asset_name(code)} ({code})") for code in sorted(get_settings().assets)],
                empty=_("Any"),
                default_value=wanted.asset,
            ),
            text_field(
                _("From"), "first_day", type="date", default_value=_day_of(wanted.since, less_milliseconds=0)
            ),
            text_field(
                _("To"), "last_day", type="date", default_value=_day_of(wanted.before, less_milliseconds=1)
            ),
            rx.el.div(
                text_field(
                    _("Reference, order or hash"),
                    "q",
                    hint=_("Complete, as it stands in your receipt."),
                    max_length=128,
                    auto_complete="off",
                    spell_check=False,
                    default_value=wanted.q,
                ),
                class_name="sm:col-span-2",
            ),
            rx.el.div(
                main_button(_("Show")),
                rx.cond(
                    is_filtered,
                    link(_("Show everything"), to="/activity", class_name="button button-quiet"),
                ),
                class_name="flex flex-wrap gap-3 sm:col-span-2",
            ),
            on_submit=_search,
            class_name="card mt-3 grid gap-4 sm:grid-cols-2",
        ),
        # Another address, another form: closed again, so that what was found is seen.
        key=ActivityState.query,
        class_name="filter",
    )


def _statuses() -> list[tuple[str, str]]:
    # The tags of the first two are the same words, and a filter asks for one of them.
    opened = {TopUpStatus.AWAITING_PAYMENT: _("Waiting for payment, page opened")}
    return [(status.value, opened.get(status) or tag_of(status)[0]) for status in TopUpStatus]
