"""What the steps of the wizard share: bars, bills, the summary, notices, and the skeleton before an offer."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.add_money.hooks import Countdown
from onramp_app.web.add_money.shapes import BillLine
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.places import link
from onramp_app.web.parts.signs import sign
from onramp_app.web.parts.steps import steps_to_come
from onramp_app.web.parts.times import time_of

NOT_KNOWN = "\N{EN DASH}"  # in place of an amount
_SECONDS = "wizard-seconds"


def step_bars() -> rx.Component:
    """Return the bars that show how far the person has come, and the way back."""
    is_reached = (True, WizardState.step != "amount", WizardState.step == "check")
    back = rx.cond(WizardState.step == "check", WizardState.pay_search, WizardState.amount_search)
    titles = {
        "amount": _("Step 1 of 3: how much"),
        "pay": _("Step 2 of 3: how to pay"),
        "check": _("Step 3 of 3: check and pay"),
    }
    return rx.el.div(
        # The arrow stands at every step, so that the bars beside it do not move.
        rx.cond(
            WizardState.step == "amount",
            link(
                _arrow(),
                rx.el.span(_("Back to home"), class_name="sr-only"),
                to="/home",
                class_name="wizard-back",
            ),
            link(
                _arrow(),
                rx.el.span(_("Back"), class_name="sr-only"),
                to=f"/add-money{back}",
                class_name="wizard-back",
            ),
        ),
        rx.el.div(
            *[
                rx.el.span(class_name=rx.cond(reached, "step-bar step-bar-done", "step-bar"))
                for reached in is_reached
            ],
            class_name="step-bars",
            aria_hidden="true",
        ),
        rx.el.p(rx.match(WizardState.step, *titles.items(), ""), role="status", class_name="sr-only"),
        class_name="-mt-3 flex min-h-11 items-center gap-2",
    )


def _arrow() -> rx.Component:
    return sign("M14.5 5.5 8 12l6.5 6.5", width="24", height="24", class_name="rtl:-scale-x-100")


def row(label: rx.Component | rx.Var[str] | str, value: rx.Component | rx.Var[str] | str) -> rx.Component:
    """Return one line of a bill: a label and an amount."""
    return rx.el.div(rx.el.dt(label), rx.el.dd(value), class_name="bill-row")


def fee_row(line: BillLine) -> rx.Component:
    """Return the line of one fee in a bill."""
    return row(line.label, line.amount)


def about(words: rx.Var[str] | str) -> rx.Component:
    """Return an estimated amount with a sign that says so."""
    return rx.fragment(
        rx.el.span("≈\N{NO-BREAK SPACE}", aria_hidden="true"),
        rx.el.span(_("about "), class_name="sr-only"),
        words,
    )


def summary() -> rx.Component:
    """Return the summary beside the steps: what was chosen, and what the person receives for it."""
    bill = WizardState.bill
    return rx.el.aside(
        rx.el.h2(_("Summary"), class_name="heading mb-3", id="summary"),
        rx.el.dl(
            row(_("You pay"), _or_dash(bill.pay)),
            row(_("Fees"), _or_dash(bill.all_fees)),
            row(_("Rate"), _or_dash(bill.rate)),
            rx.cond(WizardState.step == "pay", row(_("Pay with"), _or_dash(WizardState.method_name))),
            row(_("You receive"), rx.cond(bill.receive_words != "", about(bill.receive_words), NOT_KNOWN)),
            rx.cond(WizardState.time != "", row(_("Arrives"), WizardState.time)),
            class_name=rx.cond(WizardState.is_old, "bill bill-old", "bill"),
        ),
        rx.el.p(custody_text(), class_name="soft tiny mt-4"),
        aria_labelledby="summary",
        class_name="card hidden self-start lg:block",
    )


def _or_dash(value: rx.Var[str] | str) -> rx.Component:
    return rx.cond(value != "", value, NOT_KNOWN)


def custody_text() -> str:
    """Return the sentence that says who holds the money."""
    return _("Held for you by the operator of this wallet, and shown in your balance once it has arrived.")


def short_summary() -> rx.Component:
    """Return the summary in one line above the button, for screens without room beside the steps."""
    bill = WizardState.bill
    return rx.cond(
        bill.pay != "",
        rx.el.p(
            rx.el.span(bill.pay, class_name="font-semibold"),
            rx.el.span("→", aria_hidden="true", class_name="soft"),
            rx.el.span(_(" becomes "), class_name="sr-only"),
            rx.el.span(about(bill.receive_words), class_name="font-semibold"),
            class_name=rx.cond(WizardState.is_old, "short-summary is-old", "short-summary"),
        ),
    )


def actions(*above: rx.Component, button: rx.Component) -> rx.Component:
    """Return the end of a step: notices, `above`, the button, and how long the quote lasts."""
    return rx.el.div(_quote_notices(), *above, button, _quote_line(), class_name="wizard-actions")


def _quote_notices() -> rx.Component:
    """Return the notices that the quote has changed, or why there is none."""
    return rx.el.div(
        rx.cond(WizardState.changed != "", notice(WizardState.changed, kind="now")),
        rx.cond(
            WizardState.problem != "",
            notice(
                WizardState.problem,
                rx.cond(WizardState.is_old, rx.fragment(" ", _("The figures shown are the last ones."))),
                kind="now",
            ),
        ),
        aria_live="polite",
        class_name="grid gap-3 empty:hidden",
    )


def _quote_line() -> rx.Component:
    """Return the line that says how long the quote lasts, or when it is asked for again."""
    seconds = rx.el.span(id=_SECONDS)
    is_waited_for = WizardState.is_old | (WizardState.bill.pay == "")
    return rx.el.p(
        _countdown(),
        rx.cond(
            WizardState.is_asking,
            rx.cond(
                is_waited_for,
                rx.fragment(
                    _("Asking for the rate."),
                    rx.el.span(
                        " ", _("The payment provider takes its time."), class_name="appears-when-slow"
                    ),
                ),
                _("Asking for a new rate."),
            ),
            rx.cond(
                WizardState.problem != "",
                rx.cond(
                    WizardState.timer_seconds > 0,
                    rx.fragment(
                        _("Trying again in"),
                        " ",
                        seconds,
                        "\N{NO-BREAK SPACE}s. ",
                        _try_now(class_name="link"),
                    ),
                ),
                rx.cond(
                    WizardState.bill.pay != "",
                    rx.fragment(_("New rate in"), " ", seconds, "\N{NO-BREAK SPACE}s"),
                ),
            ),
        ),
        class_name="soft tiny min-h-5 text-center",
    )


def _countdown() -> rx.Component:
    return Countdown.create(
        number=WizardState.timer,
        seconds=WizardState.timer_seconds,
        shown_in=_SECONDS,
        on_end=WizardState.refresh,
    )


def _try_now(*, class_name: str) -> rx.Component:
    return rx.el.button(
        _("Try again now"),
        type="button",
        on_click=WizardState.refresh,
        disabled=WizardState.is_asking,
        class_name=class_name,
    )


def skeleton() -> rx.Component:
    """Return the outline of the form until an offer is there, with words for a long wait."""
    return rx.el.div(
        rx.el.p(_("One moment."), role="status", class_name="sr-only"),
        rx.el.div(class_name="skeleton h-1 mt-5"),
        rx.el.div(class_name="skeleton mt-4 h-10 w-4/5"),
        rx.el.div(class_name="skeleton h-[92px] rounded-[20px] mt-3"),
        rx.el.div(class_name="skeleton h-11 w-3/5"),
        rx.el.div(class_name="skeleton h-[92px] rounded-[20px] mt-12"),
        rx.el.p(
            _("The payment provider takes its time. The page goes on by itself."),
            class_name="soft small appears-when-slow",
        ),
        class_name="mx-auto grid w-full max-w-[568px] gap-3",
    )


def provider_trouble() -> rx.Component:
    """Return what to know of a provider that is slow, away or has paused a network, before anybody pays."""
    offer = WizardState.offer
    return rx.cond(
        offer.provider_trouble != "",
        notice(
            offer.provider_trouble,
            rx.cond(
                offer.last_settled_at != "",
                rx.fragment(
                    " ",
                    _("The last payment arrived"),
                    " ",
                    time_of(offer.last_settled_at, is_inside=True),
                    ".",
                ),
            ),
            kind="now",
        ),
    )


def no_offer() -> rx.Component:
    """Return why nothing can be chosen yet, with a countdown to the next try."""
    return rx.el.section(
        rx.el.h1(_("Adding money is not possible right now"), class_name="title"),
        rx.el.p(WizardState.problem, class_name="lead mt-2"),
        rx.el.p(_("Your balance is not affected, and nothing was begun."), class_name="soft mt-1 mb-6"),
        _countdown(),
        _try_now(class_name="button button-main mt-2"),
        class_name="card mx-auto grid w-full max-w-[568px] justify-items-start",
    )


def what_happens_next() -> rx.Component:
    """Return what happens after the button, shown beside the review."""
    return rx.el.div(
        steps_to_come(
            _("What happens next"),
            (_("You pay"), _("On the payment provider's page, which opens next.")),
            (_("We watch it arrive"), _("Step by step, also when you close the page.")),
            (_("It is in your balance"), _("You see what was quoted, paid and delivered.")),
        ),
        class_name="hidden self-start lg:block",
    )
