"""`/receipt/[code]`: whether a receipt is genuine. It shows no more than is printed on the receipt."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.forms import main_button, text_field
from onramp_app.web.parts.layout import public_page, sign_in_offer
from onramp_app.web.parts.places import link
from onramp_app.web.parts.signs import sign
from onramp_app.web.receipt.shapes import CheckedLine
from onramp_app.web.receipt.state import ReceiptState
from onramp_app.web.tabs.session import SessionState

_TICK = "M5 12.5l4.5 4.5L19 7.5"
_CHANGED = "M12 4a8 8 0 1 0 0 16a8 8 0 0 0 0-16M12 8.5V12l2.5 1.5"
_CROSS = "M6 6l12 12M18 6L6 18"


def receipt() -> rx.Component:
    checked = ReceiptState.checked
    is_checked = ReceiptState.checked_code == rx.State.code  # type: ignore[attr-defined]  # Reflex adds it with the route
    return public_page(
        rx.el.div(
            rx.el.div(
                rx.match(
                    # The state may still hold the verdict on another code while this one is checked.
                    rx.cond(is_checked, checked.verdict, ""),
                    ("genuine", _genuine()),
                    ("changed", _changed()),
                    ("unknown", _unknown()),
                    ("later", _later()),
                    ("unasked", rx.fragment()),
                    _skeleton(),
                ),
                role="status",
            ),
            rx.cond(
                is_checked & ((checked.verdict == "unasked") | (checked.verdict == "unknown")),
                _form(),
            ),
            # As tall as the window, so that the footer stays below it, whatever the answer is.
            class_name=(
                "mx-auto grid min-h-screen w-full max-w-[560px] grid-cols-[minmax(0,1fr)] content-start gap-5"
            ),
        ),
        offer=rx.cond(
            SessionState.is_signed_in,
            link(_("Go to your wallet"), to="/home", class_name="button button-quiet button-slim"),
            sign_in_offer(),
        ),
    )


def _genuine() -> rx.Component:
    return _card(
        _verdict(
            _TICK,
            "good",
            _("This receipt is genuine"),
            _("We issued it, and it's still as printed. Compare it with your copy."),
        ),
        _statement(),
        _lines(),
    )


def _changed() -> rx.Component:
    return _card(
        _verdict(
            _CHANGED,
            "now",
            _("This receipt is genuine, but out of date"),
            _("We issued it. What it's about has changed since, so amounts on paper may no longer be right."),
        ),
        rx.el.p(_("How it stands now"), class_name="soft small mt-5"),
        _statement(),
        _lines(),
    )


def _unknown() -> rx.Component:
    return _card(
        _verdict(
            _CROSS,
            "bad",
            _("We can't confirm this receipt"),
            _(
                "We didn't issue a receipt with this code. It may be mistyped: compare it with the paper. If"
                " it's the same, don't rely on the receipt."
            ),
        ),
    )


def _later() -> rx.Component:
    return _card(
        rx.el.h1(_("We can't check this right now"), class_name="heading"),
        rx.el.p(
            _("Too many checks came from here, or part of our service isn't answering. Try again shortly."),
            class_name="soft mt-1",
        ),
    )


def _form() -> rx.Component:
    return rx.el.form(
        rx.cond(
            ReceiptState.checked.verdict == "unasked",
            rx.el.h1(_("Check a receipt"), class_name="heading"),
            rx.el.h2(_("Check another code"), class_name="heading"),
        ),
        text_field(
            _("Code of the receipt"),
            "code",
            hint=_("It's at the end of the address printed on the receipt. You can paste the whole address."),
            max_length=512,
            required=True,
            auto_complete="off",
            auto_capitalize="none",
            spell_check=False,
        ),
        rx.cond(ReceiptState.problem != "", notice(ReceiptState.problem, kind="bad")),
        rx.el.div(main_button(_("Check"))),
        on_submit=ReceiptState.look_up,
        class_name="card grid gap-4",
    )


def _card(*content: rx.Component) -> rx.Component:
    return rx.el.section(*content, class_name="card")


def _verdict(path: str, tone: str, title: str, text: str) -> rx.Component:
    return rx.el.div(
        rx.el.span(sign(path), class_name=f"round-sign round-sign-{tone}"),
        rx.el.div(
            rx.el.h1(title, class_name="heading"),
            rx.el.p(text, class_name="soft mt-1"),
        ),
        class_name="flex items-start gap-4",
    )


def _statement() -> rx.Component:
    checked = ReceiptState.checked
    return rx.el.div(
        rx.el.p(checked.title, class_name="heading"),
        rx.cond(checked.head != "", rx.el.p(checked.head, class_name="large-money large-money-long mt-1")),
        rx.cond(checked.statement != "", rx.el.p(checked.statement, class_name="mt-1")),
        class_name="mt-6",
    )


def _lines() -> rx.Component:
    return rx.el.dl(rx.foreach(ReceiptState.checked.lines, _line), class_name="fact-list mt-4")


def _line(line: CheckedLine) -> rx.Component:
    return rx.el.div(
        rx.el.dt(line.label, class_name="soft"),
        rx.el.dd(
            line.value,
            class_name=rx.cond(line.is_code, "code", ""),
            title=rx.cond(line.is_code, line.value, ""),
        ),
    )


def _skeleton() -> rx.Component:
    return _card(
        rx.el.h1(_("Checking the receipt"), class_name="heading"),
        rx.el.span(class_name="skeleton mt-4 h-12 w-60", aria_hidden="true"),
        rx.el.span(class_name="skeleton mt-4 h-24 w-full", aria_hidden="true"),
    )
