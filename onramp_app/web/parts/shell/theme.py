"""The choice of the theme, and the colour that the browser's own bars take with it."""

import reflex as rx
from reflex.style import color_mode, set_color_mode

from onramp_app.texts import _
from onramp_app.web.parts.shell.connection import works_offline

PAPER = {"light": "#F7F3EA", "dark": "#0C1718"}
"""The colour of the page in each theme, as `assets/theme.css` has it."""


def theme_switch() -> rx.Component:
    """Return the choice between the system's theme, light and dark; the browser remembers it."""
    choices = (("system", _("System")), ("light", _("Light")), ("dark", _("Dark")))
    return rx.el.div(
        *[
            rx.el.button(
                words,
                type="button",
                on_click=set_color_mode(mode),  # type: ignore[arg-type]  # a literal of the tuple above
                aria_pressed=rx.cond(color_mode == mode, "true", "false"),
                custom_attrs=works_offline(),
            )
            for mode, words in choices
        ],
        role="group",
        aria_label=_("Theme"),
        class_name="segments",
    )


def bar_colour() -> rx.Component:
    """Return the `theme-color` of the page, which React moves to the head: that of the theme that is chosen.

    While the system decides there is one for each of its themes, also before any script has run.
    """
    return rx.match(
        color_mode,
        *[(theme, rx.el.meta(name="theme-color", content=paper)) for theme, paper in PAPER.items()],
        rx.fragment(
            *[
                rx.el.meta(
                    name="theme-color",
                    content=paper,
                    custom_attrs={"media": f"(prefers-color-scheme: {theme})"},
                )
                for theme, paper in PAPER.items()
            ]
        ),
    )
