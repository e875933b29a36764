"""Whom to ask about a payment: a mail with the reference filled in, and the reference to copy."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.places import link
from onramp_app.web.parts.shell.connection import works_offline

# The text before the button is selected too: browsers refuse the clipboard on pages without TLS.
_COPY: rx.Var[object] = rx.vars.FunctionStringVar.create("""((_info, event) => {
  const button = event.currentTarget, shown = button.previousElementSibling;
  getSelection().selectAllChildren(shown);
  navigator.clipboard?.writeText(shown.textContent).then(() => {
    button.dataset.copied = '';
    setTimeout(() => delete button.dataset.copied, 2000);
  }, () => {});
})""")


def contact(
    mail_address: rx.Var[str] | str,
    reference: rx.Var[str] | str,
    *,
    label: str = "",
    provider_order: rx.Var[str] | str = "",
) -> rx.Component:
    """Return whom to write to, and what to quote.

    Args:
        mail_address: as `mail.support` makes it; empty where nobody is named to write to.
        reference: what support finds it by.
        label: what that is called, where it is not the reference of a payment.
        provider_order: the provider's id of the payment, where there is one.
    """
    return rx.el.div(
        rx.el.p(
            rx.cond(
                mail_address != "",
                rx.fragment(
                    rx.el.a(_("Contact support and quote:"), href=mail_address, class_name="link"),
                ),
                _("Contact the operator of this wallet and quote:"),
            ),
        ),
        copyable(label or _("Reference"), reference),
        rx.cond(provider_order != "", copyable(_("Provider order"), provider_order)),
        rx.el.p(link(_("Questions and answers"), to="/help", class_name="link")),
        class_name="soft small grid gap-1 mt-2",
    )


def copyable(label: str, text: rx.Var[str] | str) -> rx.Component:
    """Return a labelled text that is selected whole with one click, and a button that copies it."""
    return rx.el.p(
        label,
        " ",
        # The button stays beside a long text, which breaks where the line is too short for both.
        rx.el.span(
            rx.el.code(text, class_name="font-semibold text-(--ink) select-all break-all"),
            copy_button(label),
            class_name="inline-flex min-w-0 items-center",
        ),
        class_name="flex flex-wrap items-center gap-x-1.5",
    )


def copy_button(label: rx.Var[str] | str) -> rx.Component:
    """Return the button that copies the text of the element before it. `label` says what that is."""
    return rx.el.button(
        rx.el.span(_("Copy"), class_name="copy-words"),
        rx.el.span(_("Copied"), class_name="copied"),
        rx.el.span(" ", label, class_name="sr-only"),
        type="button",
        on_click=_COPY,
        custom_attrs=works_offline(),
        class_name="copy link min-h-11 px-2",
    )
