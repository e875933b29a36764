"""The three steps of the wizard, one form each: how much, how to pay, check and pay."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.add_money.frame import NOT_KNOWN, actions, custody_text, fee_row, row, short_summary
from onramp_app.web.add_money.shapes import (
    AllowanceLine,
    Bill,
    Choice,
    ClosedChoices,
    MethodCard,
    QuickAmount,
)
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.parts.feedback import notice, problem
from onramp_app.web.parts.places import link


def _heading(title: str, text: str) -> rx.Component:
    return rx.el.div(rx.el.h1(title, class_name="title"), rx.el.p(text, class_name="soft mt-1"))


def _option(choice: Choice) -> rx.Component:
    return rx.el.option(choice.words, value=choice.value)


def _closed_group(group: ClosedChoices) -> rx.Component:
    return rx.el.optgroup(
        rx.foreach(
            group.choices, lambda choice: rx.el.option(choice.words, value=choice.value, disabled=True)
        ),
        label=group.reason,
    )


def _pill(
    shown: rx.Component | rx.Var[str] | str,
    label: str,
    *options: rx.Component,
    is_quiet: bool = False,
    **props: object,
) -> rx.Component:
    """Return a native select that looks like a pill. The pill shows a short text, the list the full words."""
    return rx.el.span(
        rx.el.span(shown, aria_hidden="true"),
        rx.el.select(*options, aria_label=label, **props),
        class_name="pill pill-quiet" if is_quiet else "pill",
    )


# How much


def amount_form() -> rx.Component:
    """Return the first step: how much, with what the person receives updated on each keystroke."""
    return rx.el.form(
        _heading(_("How much would you like to add?"), _("You see every fee before you pay.")),
        rx.el.div(_pay_field(), _joined(), _receive_field(), class_name="grid"),
        rx.foreach(WizardState.offer.allowances, _allowance),
        _raises(),
        actions(
            rx.cond(WizardState.verify_words == "", short_summary(), _needs_tier()),
            button=rx.cond(
                WizardState.verify_words == "",
                rx.el.button(
                    _("Choose how to pay"),
                    type="submit",
                    disabled=WizardState.offer.closed != "",
                    class_name="button button-main w-full",
                ),
                _verify_button(),
            ),
        ),
        on_submit=WizardState.go_on,
        no_validate=True,
        class_name="wizard-step step-amount",
    )


def _raises() -> rx.Component:
    """Return which limit applies, what raises it and what is published, before anything is typed wrong."""
    offer = WizardState.offer
    return rx.el.div(
        rx.cond(
            (offer.binding != "") & (WizardState.verify_words == ""),
            rx.el.p(
                offer.binding,
                rx.cond(
                    offer.raises != "",
                    rx.fragment(" ", link(offer.raises, to=WizardState.verify_to, class_name="link")),
                ),
                class_name="soft",
            ),
        ),
        rx.cond(offer.published != "", rx.el.p(offer.published, class_name="soft")),
        class_name="tiny grid gap-2 empty:hidden",
    )


def _needs_tier() -> rx.Component:
    return rx.el.div(notice(WizardState.verify_words, kind="now"), role="status")


def _verify_button() -> rx.Component:
    return link(WizardState.verify_action, to=WizardState.verify_to, class_name="button button-main w-full")


def _pay_field() -> rx.Component:
    offer = WizardState.offer
    return rx.el.div(
        rx.el.div(
            rx.el.div(
                rx.el.label(_("You pay"), html_for="amount", class_name="money-label"),
                rx.el.input(
                    id="amount",
                    name="amount",
                    key=WizardState.field_number,
                    default_value=WizardState.field_text,
                    on_change=WizardState.typed,
                    type="text",
                    input_mode="decimal",
                    auto_complete="off",
                    max_length=64,
                    placeholder="0",
                    aria_invalid=rx.cond(WizardState.amount_problem != "", "true", "false"),
                    aria_describedby="amount-problem amount-limits",
                    class_name="money",
                ),
                class_name="min-w-0 flex-1",
            ),
            _pill(
                offer.currency,
                _("Currency"),
                rx.foreach(offer.currencies, _option),
                rx.foreach(offer.closed_currencies, _closed_group),
                value=offer.currency_value,
                on_change=WizardState.choose_currency,
            ),
            class_name=rx.cond(WizardState.amount_problem != "", "money-card money-card-bad", "money-card"),
        ),
        # A problem names the limit, and stands in the place of the limits: nothing below moves.
        rx.el.div(
            rx.el.div(
                rx.cond(
                    WizardState.amount_problem != "",
                    problem(rx.el.span(WizardState.amount_problem), for_field="amount"),
                ),
                aria_live="assertive",
            ),
            rx.cond(
                (offer.limits != "") & (offer.closed == "") & (WizardState.amount_problem == ""),
                rx.el.p(offer.limits, id="amount-limits", class_name="hint min-h-[21px]"),
            ),
        ),
        rx.cond(
            offer.closed != "",
            notice(offer.closed, " ", _("Choose another currency."), kind="now"),
            rx.cond(
                offer.quick,
                rx.el.div(
                    rx.foreach(offer.quick, _quick),
                    role="group",
                    aria_label=_("Round amounts"),
                    class_name="quick-row",
                ),
            ),
        ),
        class_name="grid gap-2",
    )


def _quick(quick: QuickAmount) -> rx.Component:
    return rx.el.button(
        quick.words,
        type="button",
        on_click=WizardState.choose_quick(quick.amount),  # type: ignore[operator]
        aria_pressed=rx.cond(WizardState.amount == quick.amount, "true", "false"),
        class_name="quick",
    )


def _joined() -> rx.Component:
    bill = WizardState.bill
    is_known = bill.pay != ""
    return rx.el.dl(
        rx.cond(is_known, rx.foreach(bill.fees, fee_row), row(_("Provider fee"), NOT_KNOWN)),
        row(
            rx.fragment(
                _("Network fee"), " ", rx.cond(WizardState.offer.networks, _network(), _in_brackets())
            ),
            rx.cond(is_known, bill.network_fee, NOT_KNOWN),
        ),
        row(_("Rate"), rx.cond(is_known, bill.rate, NOT_KNOWN)),
        class_name=rx.cond(WizardState.is_old, "bill joined bill-old", "bill joined"),
    )


def _in_brackets() -> rx.Component:
    return rx.fragment("(", WizardState.network_name, ")")


def _network() -> rx.Component:
    return _pill(
        WizardState.network_name,
        _("Network"),
        rx.foreach(WizardState.offer.networks, _option),
        rx.foreach(WizardState.offer.closed_networks, _closed_group),
        is_quiet=True,
        value=WizardState.network,
        on_change=WizardState.choose_network,
    )


def _receive_field() -> rx.Component:
    bill, offer = WizardState.bill, WizardState.offer
    amount = rx.el.p(
        bill.receive,
        rx.el.span(bill.receive_decimals, class_name="money-tail"),
        rx.el.span(" ", WizardState.asset, class_name="sr-only"),
        title=bill.receive_exact,
        class_name=rx.cond(WizardState.is_old, "money is-old", "money"),
    )
    return rx.el.div(
        rx.el.div(
            rx.el.p(_("You receive, about"), class_name="money-label"),
            rx.cond(bill.receive != "", amount, rx.el.p(NOT_KNOWN, class_name="money soft")),
            class_name="min-w-0 flex-1",
        ),
        _pill(
            WizardState.asset,
            _("Asset"),
            rx.foreach(offer.assets, _option),
            rx.foreach(offer.closed_assets, _closed_group),
            value=WizardState.asset,
            on_change=WizardState.choose_asset,
        ),
        class_name="money-card",
    )


def _allowance(allowance: AllowanceLine) -> rx.Component:
    return rx.el.div(
        rx.el.p(
            rx.el.span(allowance.label),
            rx.el.span(allowance.words, class_name="ms-auto"),
            class_name="soft tiny flex gap-4",
        ),
        rx.el.progress(
            value=allowance.used_percent,
            max=100,
            aria_hidden="true",
            class_name="bar",
        ),
        class_name="grid gap-2",
    )


# How to pay


def pay_form() -> rx.Component:
    """Return the second step: the payment methods."""
    return rx.el.form(
        _heading(_("How would you like to pay?"), _("You pay on the payment provider's own page.")),
        rx.el.fieldset(
            rx.el.legend(_("Payment method"), class_name="sr-only"),
            rx.foreach(WizardState.offer.methods, _method),
            class_name="grid gap-3",
        ),
        actions(
            short_summary(),
            button=rx.el.button(_("Continue"), type="submit", class_name="button button-main w-full"),
        ),
        on_submit=WizardState.go_on,
        class_name="wizard-step",
    )


def _method(card: MethodCard) -> rx.Component:
    is_closed = card.closed != ""
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="method",
            value=card.code,
            checked=WizardState.method == card.code,
            disabled=is_closed,
            on_change=WizardState.choose_method,
            class_name="radio",
        ),
        rx.el.span(
            rx.el.span(card.name, class_name="block font-semibold"),
            rx.el.span(
                rx.cond(is_closed, card.closed, card.kind),
                rx.cond((card.time != "") & ~is_closed, rx.fragment(" · ", card.time)),
                class_name="soft small block",
            ),
            rx.cond(card.limits != "", rx.el.span(card.limits, class_name="soft small block")),
            class_name="min-w-0 flex-1",
        ),
        rx.cond(
            (WizardState.bill.all_fees != "") & ~is_closed,
            rx.el.span(
                rx.el.span(WizardState.bill.all_fees, class_name="block font-semibold"),
                rx.el.span(_("all fees"), class_name="soft tiny block"),
                class_name="text-end",
            ),
        ),
        key=card.code,
        class_name="choice",
    )


# Check and pay


def check_form() -> rx.Component:
    """Return the third step: everything once more, and the button that begins the top-up."""
    bill = WizardState.bill
    return rx.el.form(
        _heading(_("Check and pay"), _("Nothing is charged before you pay on the provider's page.")),
        rx.el.div(
            rx.el.dl(
                rx.el.div(
                    rx.el.dt(_("You pay"), class_name="money-label"),
                    rx.el.dd(
                        bill.pay_head,
                        rx.el.span(bill.pay_decimals, class_name="money-tail"),
                        class_name="money",
                    ),
                ),
                rx.el.div(
                    rx.el.dt(_("You receive, about"), class_name="money-label"),
                    rx.el.dd(
                        bill.receive,
                        rx.el.span(
                            bill.receive_decimals,
                            "\N{NO-BREAK SPACE}",
                            WizardState.asset,
                            class_name="money-tail",
                        ),
                        title=bill.receive_exact,
                        class_name="money",
                    ),
                ),
                class_name=rx.cond(WizardState.is_old, "check-amounts is-old", "check-amounts"),
            ),
            rx.el.dl(
                rx.foreach(bill.fees, fee_row),
                row(rx.fragment(_("Network fee"), " ", _in_brackets()), bill.network_fee),
                row(_("Rate"), bill.rate),
                row(_("Pay with"), _changeable(WizardState.method_name, WizardState.pay_search)),
                rx.cond(WizardState.time != "", row(_("Arrives"), WizardState.time)),
                class_name=rx.cond(WizardState.is_old, "bill bill-old", "bill"),
            ),
            class_name="card grid gap-5",
        ),
        rx.el.p(custody_text(), class_name="soft small"),
        actions(
            _review_problem(),
            rx.cond(WizardState.verify_words != "", _needs_tier()),
            button=_pay_button(bill),
        ),
        on_submit=WizardState.begin.temporal,  # type: ignore[attr-defined]  # Reflex makes it a handler
        class_name="wizard-step",
    )


def _pay_button(bill: Bill) -> rx.Component:
    return rx.cond(
        WizardState.verify_words != "",
        _verify_button(),
        rx.el.button(
            rx.cond(WizardState.is_beginning, _("One moment"), rx.fragment(_("Pay"), " ", bill.pay)),
            type="submit",
            disabled=WizardState.is_beginning | WizardState.is_old | (bill.pay == ""),
            class_name="button button-main w-full",
        ),
    )


def _review_problem() -> rx.Component:
    return rx.cond(
        WizardState.review_problem != "",
        notice(
            WizardState.review_problem,
            " ",
            link(_("Change the amount"), to=f"/add-money{WizardState.amount_search}", class_name="link"),
            kind="bad",
        ),
    )


def _changeable(words: rx.Var[str] | str, search: rx.Var[str] | str) -> rx.Component:
    return rx.fragment(
        words,
        " ",
        link(_("Change"), to=f"/add-money{search}", class_name="link small ms-2"),
    )
