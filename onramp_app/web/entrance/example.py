"""A picture of the product for people who are not signed in: its own parts, with made-up numbers."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.activity_rows import row_parts
from onramp_app.web.parts.wallet.balance import chart, chart_table, large_amount
from onramp_app.web.parts.wallet.strip import steps_done, strip, way_parts
from onramp_app.web.words.transactions import ActivityRow

# Money arrives all at once, so the line has steps; its highest is 482.16 of 500.
_LINE = "M0 82H110V64H220V52H330V34H450V4H600"


def example() -> rx.Component:
    """Return the picture. It says what it is, takes no focus, and its numbers are not read aloud."""
    return rx.el.figure(
        rx.el.figcaption(
            rx.el.span(_("Example"), class_name="tag tag-now"),
            rx.el.span(_("What it looks like, with made-up numbers"), class_name="soft small"),
            class_name="flex flex-wrap items-center gap-x-3 gap-y-1 mb-3",
        ),
        rx.el.div(
            _on_its_way(),
            _balance(),
            class_name="example grid gap-3",
            aria_hidden="true",
            custom_attrs={"inert": True},
        ),
    )


def _on_its_way() -> rx.Component:
    title = _("{amount} is on its way").format(amount="$125")
    return rx.el.div(
        *strip(
            title,
            _("Payment received. Buying {asset}.").format(asset="USDT"),
            progress=steps_done(3, 5, label=title),
        ),
        rx.el.span(*way_parts(_("View status"), title), class_name="strip-way"),
        class_name="strip strip-open",
    )


def _balance() -> rx.Component:
    return rx.el.div(
        rx.el.p(_("Balance"), class_name="soft"),
        large_amount("$482", ".16", words="$482.16", place="example-amount", count=rx.fragment()),
        chart(
            line=_LINE,
            area=f"{_LINE}V100H0Z",
            scale=("$500", "$250", "$0"),
            days=tuple(rx.el.span(words) for words in (_("4 weeks ago"), _("2 weeks ago"), _("now"))),
            table=chart_table("", rx.fragment()),
        ),
        rx.el.div(*[_row(row) for row in _rows()], class_name="activity mt-4"),
        class_name="card",
    )


def _row(row: ActivityRow) -> rx.Component:
    return rx.el.div(*row_parts(row, when=_("Today")), class_name="activity-row")


def _rows() -> tuple[ActivityRow, ...]:
    arrived = ActivityRow(
        transaction_id="",
        title=_("Added by {method}").format(method=_("bank transfer")),
        direction="in",
        at="",
        paid="$150",
        amount="+148.92 USDT",
        is_expected=False,
        tag=_("In your balance"),
        tone="good",
    )
    return (arrived,)
