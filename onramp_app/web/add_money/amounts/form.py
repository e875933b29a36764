"""The first step of the wizard: the amounts paid and received, with the fees and the rate between them."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.add_money.amounts.fields import AmountFields
from onramp_app.web.add_money.currencies.sheet import currency_button, currency_sheet
from onramp_app.web.add_money.frame import (
    actions,
    fee_row,
    heading,
    main_button,
    option,
    option_group,
    row,
    verify_button,
)
from onramp_app.web.add_money.shapes import AllowanceLine, QuickAmount
from onramp_app.web.add_money.state import WizardState
from onramp_app.web.add_money.words import NOT_KNOWN
from onramp_app.web.parts.feedback import filled, notice, problem
from onramp_app.web.parts.places import link


def amount_form() -> rx.Component:
    """Return the first step: the person types either amount, and the other one follows as they type."""
    return rx.fragment(
        rx.el.form(
            AmountFields.create(
                paid_heard=WizardState.amount_heard,
                paid_written=WizardState.amount_written,
                received_heard=WizardState.receive_heard,
                received_written=WizardState.receive_written,
                writes=WizardState.writes,
            ),
            heading(
                rx.cond(WizardState.fixed.amount, _("What you pay"), _("Choose an amount")),
                _("You see every fee before you pay."),
            ),
            rx.el.div(_pay_field(), _joined(), _receive_field(), class_name="grid"),
            actions(
                button=rx.cond(
                    WizardState.verify_words == "",
                    main_button(
                        _("Choose how to pay"),
                        (WizardState.offer.closed != "", _("Choose another currency first")),
                        (
                            WizardState.receives & (WizardState.is_old | (WizardState.bill.pay == "")),
                            _("Working out what you pay…"),
                        ),
                    ),
                    verify_button(),
                ),
            ),
            rx.foreach(WizardState.offer.allowances, _allowance),
            _raises(),
            on_submit=WizardState.go_on,
            no_validate=True,
            class_name="wizard-step step-amount",
        ),
        # Outside of the form, so that its search field is not one of the form's.
        currency_sheet(),
    )


def _raises() -> rx.Component:
    """Return which limit applies, what raises it, and the provider's published one, before it is exceeded."""
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


def _pay_field() -> rx.Component:
    offer = WizardState.offer
    sign = rx.el.span(offer.sign, aria_hidden="true", class_name="money-sign")
    return rx.el.div(
        rx.el.div(
            rx.el.div(
                rx.el.label(
                    _("You pay"),
                    rx.el.span(" (", offer.currency, ")", class_name="sr-only"),
                    html_for="amount",
                    class_name="money-label",
                ),
                rx.el.div(
                    rx.cond(offer.sign_is_after, rx.fragment(), sign),
                    _input(
                        "amount",
                        on_change=WizardState.typed,
                        message=WizardState.amount_problem,
                        described_by="amount-limits",
                        is_old=rx.cond(WizardState.receives, WizardState.is_old, WizardState.receives),
                    ),
                    rx.cond(offer.sign_is_after, sign, rx.fragment()),
                    class_name="money-line",
                ),
                class_name="min-w-0 flex-1",
            ),
            rx.cond(
                WizardState.fixed.currency,
                rx.el.span(offer.currency, class_name="pill pill-fixed"),
                currency_button(),
            ),
            class_name=rx.cond(WizardState.amount_problem != "", "money-card money-card-bad", "money-card"),
        ),
        # A problem names the limit, and takes the place of the limits, so that nothing below moves.
        _line_below(
            "amount",
            WizardState.amount_problem,
            rx.cond(
                (offer.limits != "") & (offer.closed == ""), rx.el.span(offer.limits, id="amount-limits")
            ),
        ),
        rx.cond(
            offer.closed != "",
            notice(
                offer.closed,
                rx.cond(
                    WizardState.fixed.currency,
                    rx.fragment(),
                    rx.fragment(" ", _("Choose another currency.")),
                ),
                kind="now",
            ),
            rx.cond(
                offer.quick & ~WizardState.fixed.amount,  # type: ignore[operator]  # a Var by now
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


def _input(
    name: str,
    *,
    on_change: object,
    message: rx.Var[str] | str,
    described_by: str,
    is_old: rx.Var[bool] | bool,
) -> rx.Component:
    return rx.el.input(
        id=name,
        name=name,
        on_change=on_change,
        type="text",
        input_mode="decimal",
        auto_complete="off",
        read_only=WizardState.fixed.amount,
        max_length=64,
        placeholder=NOT_KNOWN,
        aria_invalid=rx.cond(message != "", "true", "false"),
        aria_describedby=f"{name}-problem {described_by}",
        class_name=rx.cond(is_old, "money is-old", "money"),
    )


def _line_below(name: str, message: rx.Var[str] | str, hint: rx.Component) -> rx.Component:
    """Return the line below a field, whose space is reserved: the field's problem, otherwise a hint."""
    return rx.el.div(
        rx.el.div(
            rx.cond(message != "", problem(rx.el.span(message), for_field=name)),
            aria_live="assertive",
        ),
        rx.cond(message != "", rx.fragment(), rx.el.p(hint, class_name="hint")),
        class_name="line-below",
    )


def _quick(quick: QuickAmount) -> rx.Component:
    return rx.el.button(
        quick.words,
        type="button",
        on_click=WizardState.choose_quick(quick.amount),  # type: ignore[operator]
        aria_pressed=rx.cond((WizardState.amount == quick.amount) & ~WizardState.receives, "true", "false"),
        class_name="quick",
    )


def _joined() -> rx.Component:
    bill = WizardState.bill
    return rx.el.dl(
        rx.foreach(bill.fees, fee_row),
        row(
            rx.fragment(
                filled(
                    _("Network fee {network}"),
                    network=rx.cond(WizardState.offer.networks, _network(), _in_brackets()),
                )
            ),
            rx.cond(bill.network_fee != "", bill.network_fee, NOT_KNOWN),
        ),
        row(_("Rate"), rx.cond(bill.rate != "", bill.rate, NOT_KNOWN)),
        class_name=rx.cond(WizardState.is_old, "bill joined bill-old", "bill joined"),
    )


def _in_brackets() -> rx.Component:
    return rx.fragment("(", WizardState.network_name, ")")


def _network() -> rx.Component:
    return _pill(
        WizardState.network_name,
        _("Network"),
        rx.foreach(WizardState.offer.networks, option),
        rx.foreach(WizardState.offer.closed_networks, option_group),
        is_quiet=True,
        value=WizardState.network,
        on_change=WizardState.choose_network,
    )


def _receive_field() -> rx.Component:
    bill, offer = WizardState.bill, WizardState.offer
    return rx.el.div(
        rx.el.div(
            rx.el.div(
                rx.el.label(
                    _("You receive, about"),
                    rx.el.span(" (", WizardState.asset, ")", class_name="sr-only"),
                    html_for="receive",
                    class_name="money-label",
                ),
                rx.el.div(
                    _input(
                        "receive",
                        on_change=WizardState.typed_receive,
                        message=WizardState.receive_problem,
                        described_by="receive-cost",
                        is_old=rx.cond(WizardState.receives, ~WizardState.receives, WizardState.is_old),
                    ),
                    class_name="money-line",
                ),
                class_name="min-w-0 flex-1",
            ),
            rx.cond(
                WizardState.fixed.asset,
                rx.el.span(WizardState.asset, class_name="pill pill-fixed"),
                _pill(
                    WizardState.asset,
                    _("Asset"),
                    rx.foreach(offer.assets, option),
                    rx.foreach(offer.closed_assets, option_group),
                    value=WizardState.asset,
                    on_change=WizardState.choose_asset,
                ),
            ),
            class_name=rx.cond(WizardState.receive_problem != "", "money-card money-card-bad", "money-card"),
        ),
        _line_below(
            "receive",
            WizardState.receive_problem,
            rx.el.span(bill.cost, id="receive-cost"),
        ),
        class_name="grid gap-2",
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
