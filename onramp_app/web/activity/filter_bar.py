"""The search of `/activity` and its filters as chips: one that is set says so, and goes with one press."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.pricing.names import asset_name
from onramp_app.texts import _
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.search import MAX_LENGTH
from onramp_app.web.activity.filters import status_text
from onramp_app.web.activity.shapes import Method
from onramp_app.web.activity.state import ActivityState
from onramp_app.web.parts.forms import text_field
from onramp_app.web.parts.places import link
from onramp_app.web.parts.signs import sign
from onramp_app.web.parts.times import date_of

_GLASS = ("M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13", "M15.5 15.5L20 20")
_DOWN = "M6 9.5l6 6 6-6"
_CROSS = "M6.5 6.5l11 11M17.5 6.5l-11 11"
# The person's days are those of their browser: the address holds the moments at which they begin.
_DAY_OF = "({m} ? new Date(new Date({m}).getTime() - {less}).toLocaleDateString('sv') : '')"
_BEGIN_OF = "(({f})?.{name} ? new Date({f}.{name} + 'T00:00').toISOString() : '')"
_END_OF = (
    "(({f})?.{name} ? ((d) => (d.setDate(d.getDate() + 1), d.toISOString()))"
    "(new Date({f}.{name} + 'T00:00')) : '')"
)
_TODAY_LESS = (
    "((d) => (d.setHours(0, 0, 0, 0), d.setDate(d.getDate() - {days}), d.toISOString()))(new Date())"
)
_YEAR = "new Date(new Date().getFullYear(), 0, 1).toISOString()"


def filter_bar() -> rx.Component:
    """Return the search field and the chips."""
    return rx.el.div(_search(), _chips(), role="search", class_name="grid gap-3")


def _search() -> rx.Component:
    return rx.el.form(
        rx.el.label(_("Search your activity"), html_for="search", class_name="sr-only"),
        sign(*_GLASS, class_name="search-sign"),
        rx.el.input(
            id="search",
            name="search",
            type="search",
            max_length=MAX_LENGTH,
            auto_complete="off",
            auto_capitalize="none",
            spell_check=False,
            enter_key_hint="search",
            placeholder=_("Reference or amount"),
            default_value=ActivityState.filter.search,
            # React reads what the address says only once.
            key=ActivityState.query,
            class_name="input",
        ),
        rx.el.button(_("Search"), type="submit"),
        on_submit=ActivityState.search,
        class_name="input-with-button search-field",
    )


def _chips() -> rx.Component:
    wanted = ActivityState.filter
    return rx.el.div(
        _chip("status", _("State"), chosen=ActivityState.status_words, options=_status_options()),
        _chip("asset", _("Asset"), chosen=wanted.asset, options=_asset_options()),
        _chip("payment_method", _("Method"), chosen=ActivityState.method_words, options=_methods()),
        _date_chip(),
        rx.cond(
            wanted.q != "",
            rx.el.span(
                rx.el.span(wanted.q, class_name="chip-words"),
                _remove(_("exact text"), ActivityState.choose("q", "")),  # type: ignore[operator]
                class_name="chip chip-on",
            ),
        ),
        rx.cond(
            ActivityState.query != "",
            link(
                _("Clear all"), to="/activity", class_name="link small inline-flex min-h-11 items-center px-2"
            ),
        ),
        role="group",
        aria_label=_("Filters"),
        class_name="chips",
    )


def _chip(
    name: str,
    label: str,
    *,
    chosen: rx.Var[str] | str,
    options: list[rx.Component],
    remove: object = None,
) -> rx.Component:
    """Return one filter: a button that shows its options or, where one is chosen, that one and a cross."""
    popover = f"filter-{name}"
    is_on = chosen != ""
    return rx.el.span(
        rx.el.button(
            rx.cond(is_on, rx.el.span(label, ": ", class_name="sr-only")),
            rx.el.span(rx.cond(is_on, chosen, label), class_name="chip-words"),
            rx.cond(is_on, rx.fragment(), sign(_DOWN)),
            type="button",
            custom_attrs={"popoverTarget": popover},
            class_name="chip-button",
        ),
        rx.cond(
            is_on,
            _remove(label, remove or ActivityState.choose(name, "")),  # type: ignore[operator]
        ),
        rx.el.div(
            rx.el.p(label, class_name="heading px-3 pt-1 pb-2"),
            *options,
            id=popover,
            custom_attrs={"popover": "auto"},
            class_name=f"chip-panel chip-panel-{name}",
        ),
        class_name=rx.cond(is_on, f"chip chip-on chip-{name}", f"chip chip-{name}"),
    )


def _remove(label: str, event: object) -> rx.Component:
    return rx.el.button(
        sign(_CROSS),
        rx.el.span(_("Remove filter: {name}").format(name=label), class_name="sr-only"),
        type="button",
        on_click=event,
        class_name="chip-cross",
    )


def _option(
    words: rx.Var[str] | str, event: object, *, is_chosen: rx.Var[bool] | bool, popover: str
) -> rx.Component:
    return rx.el.button(
        words,
        type="button",
        on_click=event,
        aria_pressed=rx.cond(is_chosen, "true", "false"),
        custom_attrs={"popoverTarget": f"filter-{popover}", "popoverTargetAction": "hide"},
        class_name="menu-item",
    )


def _status_options() -> list[rx.Component]:
    return [
        _option(
            status_text(status),
            ActivityState.choose("status", status.value),  # type: ignore[operator]
            is_chosen=ActivityState.filter.status == status.value,
            popover="status",
        )
        for status in TopUpStatus
    ]


def _asset_options() -> list[rx.Component]:
    return [
        _option(
            f"{asset_name(code)} ({code})",
            ActivityState.choose("asset", code),  # type: ignore[operator]
            is_chosen=ActivityState.filter.asset == code,
            popover="asset",
        )
        for code in sorted(get_settings().assets)
    ]


def _methods() -> list[rx.Component]:
    def option(method: Method) -> rx.Component:
        return _option(
            method.name,
            ActivityState.choose("payment_method", method.code),  # type: ignore[operator]
            is_chosen=ActivityState.filter.method == method.code,
            popover="payment_method",
        )

    none_yet = rx.el.p(_("You haven't paid by any method yet."), class_name="soft small px-3 pb-1")
    return [rx.cond(ActivityState.methods, rx.foreach(ActivityState.methods, option), none_yet)]


def _date_chip() -> rx.Component:
    wanted = ActivityState.filter
    last_day = date_of(_less_a_moment(wanted.before))
    chosen = rx.cond(
        wanted.since != "",
        rx.cond(
            wanted.before != "",
            date_of(wanted.since).to(str) + " \N{EN DASH} " + last_day.to(str),
            _("Since {date}").partition("{date}")[0]
            + date_of(wanted.since).to(str)
            + _("Since {date}").partition("{date}")[2],
        ),
        rx.cond(
            wanted.before != "",
            _("Until {date}").partition("{date}")[0]
            + last_day.to(str)
            + _("Until {date}").partition("{date}")[2],
            "",
        ),
    )
    presets = (
        (_("Today"), _TODAY_LESS.format(days=0)),
        (_("Last 7 days"), _TODAY_LESS.format(days=6)),
        (_("Last 30 days"), _TODAY_LESS.format(days=29)),
        (_("This year"), _YEAR),
    )
    return _chip(
        "date",
        _("Date"),
        chosen=chosen,
        remove=ActivityState.between("", ""),  # type: ignore[operator]
        options=[
            *[
                _option(
                    words,
                    ActivityState.between(rx.Var(since, _var_type=str), ""),  # type: ignore[operator]
                    is_chosen=False,
                    popover="date",
                )
                for words, since in presets
            ],
            rx.el.form(
                text_field(
                    _("From"),
                    "first_day",
                    type="date",
                    default_value=_day_of(wanted.since, less_milliseconds=0),
                ),
                text_field(
                    _("To"),
                    "last_day",
                    type="date",
                    default_value=_day_of(wanted.before, less_milliseconds=1),
                ),
                rx.el.button(_("Show"), type="submit", class_name="button button-quiet button-slim"),
                on_submit=_between,
                key=ActivityState.query,
                class_name="grid gap-3 px-3 pt-2 pb-1",
            ),
        ],
    )


def _between(form: rx.Var[dict[str, object]]) -> object:
    def moment(shape: str, name: str) -> rx.Var[str]:
        return rx.Var(shape.format(f=str(form), name=name), _var_type=str)

    since, before = moment(_BEGIN_OF, "first_day"), moment(_END_OF, "last_day")
    return ActivityState.between(since, before)  # type: ignore[operator]


def _day_of(moment: str, *, less_milliseconds: int) -> rx.Var[str]:
    var = rx.Var.create(moment)
    return rx.Var(
        _DAY_OF.format(m=str(var), less=less_milliseconds),
        _var_type=str,
        _var_data=var._get_all_var_data(),
    )


def _less_a_moment(moment: str) -> rx.Var[str]:
    """Return the last moment before another one, because a period ends where the next day begins."""
    var = rx.Var.create(moment)
    return rx.Var(
        f"({var!s} ? new Date(new Date({var!s}).getTime() - 1).toISOString() : '')",
        _var_type=str,
        _var_data=var._get_all_var_data(),
    )
