"""What the steps of the wizard share: progress bars, bills, the summary, messages, and placeholders."""

from functools import reduce
from operator import or_

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.web.add_money.hooks import Countdown
from onramp_app.web.add_money.shapes import BillLine, Choice, ClosedChoices
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.add_money.words import NOT_KNOWN
from onramp_app.web.parts.feedback import filled
from onramp_app.web.parts.places import link, step_link
from onramp_app.web.parts.shell.connection import is_offline
from onramp_app.web.parts.shell.notes import has_note, note_words
from onramp_app.web.parts.shell.titles import title
from onramp_app.web.parts.signs import sign
from onramp_app.web.parts.steps import steps_to_come
from onramp_app.web.parts.times import time_of
from onramp_app.web.tabs.session import SessionState

_SECONDS = "wizard-seconds"


def step_bars() -> rx.Component:
    """Return the bars that show the person's progress, and the link back."""
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
            rx.cond(
                SessionState.is_narrow,
                rx.el.span(class_name="wizard-back", aria_hidden="true"),
                link(
                    _arrow(),
                    rx.el.span(_("Back to home"), class_name="sr-only"),
                    to="/home",
                    class_name="wizard-back",
                ),
            ),
            step_link(
                _arrow(),
                rx.el.span(_("Back"), class_name="sr-only"),
                search=back,
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
    """Return an estimated amount marked with `≈`, and spelled out for screen readers."""
    return rx.fragment(
        rx.el.span("≈\N{NO-BREAK SPACE}", words, aria_hidden="true"),
        rx.el.span(filled(_("about {amount}"), amount=words), class_name="sr-only"),
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
    return _("The wallet operator holds this for you. It appears in your balance on arrival.")


def heading(words: rx.Component | str, text: str) -> rx.Component:
    """Return the title of a step, and the sentence below it."""
    return rx.el.div(title(words), rx.el.p(text, class_name="soft mt-1"))


def option(choice: Choice) -> rx.Component:
    """Return one entry of a native select."""
    return rx.el.option(choice.words, value=choice.value)


def option_group(group: ClosedChoices) -> rx.Component:
    """Return the entries of a native select that are closed for one reason."""
    return rx.el.optgroup(
        rx.foreach(
            group.choices, lambda choice: rx.el.option(choice.words, value=choice.value, disabled=True)
        ),
        label=group.reason,
    )


def short_summary() -> rx.Component:
    """Return the summary in one line above the button, for screens without room beside the steps."""
    bill = WizardState.bill
    return rx.el.p(
        rx.cond(
            bill.pay != "",
            rx.fragment(
                rx.el.span(bill.pay, aria_hidden="true", class_name="font-semibold"),
                rx.el.span("→", aria_hidden="true", class_name="soft"),
                rx.el.span(
                    "≈\N{NO-BREAK SPACE}", bill.receive_words, aria_hidden="true", class_name="font-semibold"
                ),
                rx.el.span(bill.short, class_name="sr-only"),
            ),
        ),
        class_name=rx.cond(WizardState.is_old, "short-summary is-old", "short-summary"),
    )


def actions(*above: rx.Component, button: rx.Component) -> rx.Component:
    """Return the end of a step: the messages, in a space of constant size, then `above` and the button.

    Whatever the messages say, the button stays where it is.
    """
    return rx.el.div(_said(), *above, button, class_name="wizard-actions")


def main_button(
    words: rx.Component | rx.Var[str] | str, *unless: tuple[rx.Var[bool] | bool, str]
) -> rx.Component:
    """Return the button of a step. While disabled it says why: by the first condition of `unless` that holds.

    While the page is offline the button says that too. It is then blocked like all buttons
    (`web/tabs/browser_end.py`), but not disabled, so that pressing it gets an answer.
    """
    said: rx.Component | rx.Var[str] | str = words
    for is_so, reason in reversed(((is_offline, _("You're offline")), *unless)):
        said = rx.cond(is_so, reason, said)
    is_off = reduce(or_, (is_so for is_so, _reason in unless), False)  # noqa: FBT003 - where nothing keeps it
    return rx.el.button(said, type="submit", disabled=is_off, class_name="button button-main w-full")


def verify_button() -> rx.Component:
    """Return the link to the verification page, which takes the place of the button."""
    return link(WizardState.verify_action, to=WizardState.verify_to, class_name="button button-main w-full")


def _said() -> rx.Component:
    is_bad = WizardState.review_problem != ""
    is_now = (
        (WizardState.verify_words != "")
        | (WizardState.changed != "")
        | (WizardState.problem != "")
        | (WizardState.offer.provider_trouble != "")
    )
    return rx.el.div(
        rx.el.div(
            rx.cond(
                ~has_note & is_bad,
                rx.el.p(
                    WizardState.review_problem,
                    " ",
                    step_link(_("Change the amount"), search=WizardState.amount_search, class_name="link"),
                ),
            ),
            aria_live="assertive",
        ),
        rx.el.div(
            rx.cond(
                has_note,
                rx.el.p(note_words()),
                rx.cond(~is_bad & is_now, rx.el.p(_said_now())),
            ),
            aria_live="polite",
        ),
        # No rate is asked for while the page is offline, but the countdown goes on.
        rx.el.div(_quote_line(), class_name=rx.cond(is_offline, "hidden", "")),
        class_name=rx.match(
            rx.cond(~has_note & is_bad, "bad", rx.cond(has_note | is_now, "now", "")),
            ("bad", "said said-bad"),
            ("now", "said said-now"),
            "said",
        ),
    )


def _said_now() -> rx.Component:
    return rx.cond(
        WizardState.verify_words != "",
        WizardState.verify_words,
        rx.cond(
            WizardState.problem != "",
            rx.fragment(
                WizardState.problem,
                rx.cond(WizardState.is_old, rx.fragment(" ", _("The figures shown are the last ones."))),
            ),
            rx.cond(WizardState.changed != "", WizardState.changed, _provider_trouble()),
        ),
    )


def _quote_line() -> rx.Component:
    """Return the line that says when the quote is renewed, or when a failed read is retried."""
    seconds = rx.el.span(id=_SECONDS)
    is_waited_for = WizardState.is_old | (WizardState.bill.pay == "")
    return rx.el.p(
        _countdown(),
        rx.cond(
            WizardState.is_asking,
            rx.cond(
                is_waited_for,
                rx.fragment(
                    _("Asking for the rate…"),
                    rx.el.span(" ", _("This is taking longer than usual."), class_name="appears-when-slow"),
                ),
                _("Asking for a new rate…"),
            ),
            rx.cond(
                WizardState.problem != "",
                rx.cond(
                    WizardState.timer_seconds > 0,
                    rx.fragment(
                        filled(_("Trying again in {seconds} s."), seconds=seconds),
                        " ",
                        _try_now(class_name="link"),
                    ),
                ),
                rx.cond(
                    WizardState.bill.pay != "",
                    filled(_("New rate in {seconds} s"), seconds=seconds),
                ),
            ),
        ),
        class_name="soft",
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
    """Return the outline shown until there is an offer, with a message for a long wait."""
    return rx.el.div(
        rx.el.p(_("Loading"), role="status", class_name="sr-only"),
        rx.el.div(class_name="skeleton h-1 mt-5"),
        rx.el.div(class_name="skeleton mt-4 h-8 w-4/5"),
        rx.el.div(class_name="skeleton h-[92px] rounded-[20px] mt-3"),
        rx.el.div(class_name="skeleton h-11 w-full rounded-full mt-5"),
        rx.el.div(class_name="skeleton h-[92px] rounded-[20px] mt-24"),
        rx.el.div(class_name="skeleton h-12 rounded-full mt-20"),
        rx.el.p(
            _("This is taking longer than usual. The page opens as soon as {provider} answers.").format(
                provider=get_settings().provider_name
            ),
            class_name="soft small appears-when-slow",
        ),
        class_name="mx-auto grid w-full max-w-[568px] gap-3",
    )


def _provider_trouble() -> rx.Component:
    """Return the warning about a provider that is slow or down, to be seen before paying."""
    offer = WizardState.offer
    return rx.fragment(
        offer.provider_trouble,
        rx.cond(
            offer.last_settled_at != "",
            rx.fragment(
                " ",
                filled(
                    _("The last payment arrived {time}."),
                    time=time_of(offer.last_settled_at, is_inside=True),
                ),
            ),
        ),
    )


def no_offer() -> rx.Component:
    """Return why nothing can be chosen yet, with a countdown to the next retry."""
    return rx.el.section(
        title(_("You can't add money right now")),
        rx.el.p(WizardState.problem, class_name="lead mt-2"),
        rx.el.p(_("Your balance isn't affected, and nothing was started."), class_name="soft mt-1 mb-6"),
        _countdown(),
        _try_now(class_name="button button-main mt-2"),
        class_name="card mx-auto grid w-full max-w-[568px] justify-items-start",
    )


def what_happens_next() -> rx.Component:
    """Return what happens after the button, shown beside the review."""
    return rx.el.div(
        steps_to_come(
            _("What happens next"),
            (
                _("You pay"),
                _("On {provider}'s page, which opens next.").format(provider=get_settings().provider_name),
            ),
            (_("We watch it arrive"), _("Track each step, even if you close this page.")),
            (_("It's in your balance"), _("You see what was quoted, paid and delivered.")),
        ),
        class_name="hidden self-start lg:block",
    )
