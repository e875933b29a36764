"""Moments as people say them, in the time zone of the reader, which only the browser knows."""

import json

import reflex as rx

from onramp_app.texts import _, current_language
from onramp_app.web.parts.feedback import filled


def time_of(at: rx.Var[str] | str, *, is_inside: bool = False, class_name: str = "") -> rx.Component:
    """Show a moment (RFC 3339, UTC; nothing for an empty one) as `Today, 09:41` or `18 Nov, 09:41`.

    `is_inside`: the moment stands inside a sentence. The exact moment with its zone is in the title.
    """
    moment = _var(at)
    return rx.el.time(
        _formatted(moment, _SAID if is_inside else _BEGINNING),
        date_time=moment,
        title=_formatted(moment, _EXACT),
        class_name=class_name,
    )


def as_of_line(at: rx.Var[str] | str) -> rx.Component:
    """Show as of which moment the provider has been read; nothing for an empty moment."""
    return rx.cond(
        at != "",
        rx.el.p(
            filled(_("According to the provider, as of {time}."), time=time_of(at, is_inside=True)),
            class_name="soft small mt-1",
        ),
    )


def day_of(at: rx.Var[str] | str, *, class_name: str = "") -> rx.Component:
    """Show the day of a moment, `18 Nov`, with the exact moment in the title."""
    moment = _var(at)
    return rx.el.time(
        _formatted(moment, _DAY_AND_MONTH),
        date_time=moment,
        title=_formatted(moment, _EXACT),
        class_name=class_name,
    )


def clock_of(at: rx.Var[str] | str, *, class_name: str = "") -> rx.Component:
    """Show the time of day of a moment, `09:41`, with the exact moment in the title."""
    moment = _var(at)
    return rx.el.time(
        _formatted(moment, _CLOCK),
        date_time=moment,
        title=_formatted(moment, _EXACT),
        class_name=class_name,
    )


def said_day(at: rx.Var[str] | str) -> rx.Var[str]:
    """Return the day of a moment where the browser is: `Today`, `Yesterday`, `Mon 30 November`."""
    return _formatted(_var(at), f"((said) => said.charAt(0).toUpperCase() + said.slice(1))({_SAID_DAY})")


def date_of(at: rx.Var[str] | str) -> rx.Var[str]:
    """Return the date of a moment where the browser is, `30 Nov 2026`; nothing for an empty one."""
    return _formatted(_var(at), _DATE)


# A page says dozens of moments again with each change, while somebody waits for the new balance. Making a
# format takes the browser a hundred times as long as using one, so the page keeps each that it has made.
_KEPT = "((kept, name, make) => kept[name] ??= make())(globalThis.formats ??= {{}}, l + {name}, () => {make})"


def _by(options: str) -> str:
    make = f"new Intl.DateTimeFormat(l, {options})"
    return f"{_KEPT.format(name=json.dumps(options), make=make)}.format(d)"


_CLOCK = _by("{hour: '2-digit', minute: '2-digit'}")
_EXACT = _by("{dateStyle: 'full', timeStyle: 'long'}")
_DAY_AND_MONTH = _by("{day: 'numeric', month: 'short'}")
_DATE = _by("{day: 'numeric', month: 'short', year: 'numeric'}")
_LONG_DAY = _by("{weekday: 'short', day: 'numeric', month: 'long'}")
_LONG_DATE = _by("{weekday: 'short', day: 'numeric', month: 'long', year: 'numeric'}")
_RELATIVE = _KEPT.format(name="' relative'", make="new Intl.RelativeTimeFormat(l, {numeric: 'auto'})")


def _today_or(this_year: str, another_year: str) -> str:
    # Midnights are compared, so that yesterday evening is not "today" because it is less than 24 hours ago.
    return f"""(() => {{
  const days = Math.round((new Date(d).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / 864e5);
  if (days > -2 && days < 1) return {_RELATIVE}.format(days, 'day');
  return d.getFullYear() === new Date().getFullYear() ? {this_year} : {another_year};
}})()"""


_SAID_DAY = _today_or(_LONG_DAY, _LONG_DATE)
_SAID = f"{_today_or(_DAY_AND_MONTH, _DATE)} + ', ' + {_CLOCK}"
_BEGINNING = f"((said) => said.charAt(0).toUpperCase() + said.slice(1))({_SAID})"


def _var(at: rx.Var[str] | str) -> rx.Var[str]:
    return at if isinstance(at, rx.Var) else rx.Var.create(at)


def _formatted(moment: rx.Var[str], expression: str) -> rx.Var[str]:
    language = current_language()
    # A language alone means a country to browsers, and in English one with a twelve-hour clock.
    locale = {"en": "en-GB"}.get(language, language)
    body = " ".join(expression.split())
    return rx.Var(
        f"(({moment!s}) ? ((d, l) => {body})(new Date({moment!s}), '{locale}') : '')",
        _var_type=str,
        _var_data=moment._get_all_var_data(),
    )
