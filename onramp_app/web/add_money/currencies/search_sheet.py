"""A sheet for finding and choosing one entry of many: a modal dialog with a combobox and its listbox.

The focus stays in the search field (WAI-ARIA 1.2, combobox with a listbox popup): arrows move through the
entries, Enter chooses, Escape closes. The dialog is the browser's own, which keeps the focus inside and
returns it to the button that opened it.
"""

from typing import Any

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.shell.connection import works_offline

# Each event looks the sheet up, because it is mounted and unmounted with a part of the page.
_SCRIPT = """
useEffect(() => {{
  const sheet = () => document.getElementById('{id}');
  const search = () => sheet().querySelector('input');
  const shown = () => [...sheet().querySelectorAll('[role=option]:not([hidden])')];
  const active = () => sheet().querySelector('[data-active]');
  const isOpen = (option) => option.ariaDisabled !== 'true';
  const plain = (text) => text.normalize('NFKD').replace(/\\p{{M}}/gu, '').toLowerCase();
  const activate = (option) => {{
    active()?.removeAttribute('data-active');
    if (!option) return search().removeAttribute('aria-activedescendant');
    option.setAttribute('data-active', '');
    search().setAttribute('aria-activedescendant', option.id);
    option.scrollIntoView({{block: 'nearest'}});
  }};
  const filter = () => {{
    const words = plain(search().value).split(/\\s+/).filter(Boolean);
    sheet().querySelectorAll('[role=option]').forEach((option) => {{
      const text = plain(option.dataset.search);
      option.hidden = !words.every((word) => text.includes(word));
    }});
    sheet().querySelectorAll('[role=group]').forEach((group) => {{
      group.hidden = !group.querySelector('[role=option]:not([hidden])');
    }});
    const found = shown(), none = sheet().querySelector('[data-none]');
    none.textContent = found.length ? '' : none.dataset.none;
    const chosen = words.length ? null : found.find((option) => option.ariaSelected === 'true');
    activate(chosen ?? found.find(isOpen) ?? found[0]);
  }};
  const click = (event) => {{
    if (event.target.closest?.('[data-opens="{id}"]')) {{
      search().value = '';
      sheet().showModal();
      search().focus();  // React does not write the attribute that would
      filter();
    }} else if (sheet()?.contains(event.target)) {{
      const option = event.target.closest('[role=option]');
      const isOver = option ? isOpen(option) : event.target.closest('[data-closes]');
      if (isOver || event.target === sheet()) sheet().close();
    }}
  }};
  const input = (event) => {{
    if (sheet()?.contains(event.target)) filter();
  }};
  const press = (event) => {{
    if (!sheet()?.contains(event.target) || event.target !== search()) return;
    const found = shown(), at = found.indexOf(active());
    const to = {{ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 8, PageUp: at - 8}}[event.key];
    if (to !== undefined) activate(found[Math.min(Math.max(to, 0), found.length - 1)]);
    else if (event.key !== 'Enter') return;
    else if (active() && isOpen(active())) active().click();
    event.preventDefault();
  }};
  document.addEventListener('click', click);
  document.addEventListener('input', input);
  document.addEventListener('keydown', press);
  return () => {{
    document.removeEventListener('click', click);
    document.removeEventListener('input', input);
    document.removeEventListener('keydown', press);
  }};
}}, []);
"""


class _SearchScript(rx.Fragment):
    """Opens the sheet, searches its entries, and closes it."""

    sheet_id: str

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "sheet_id"]

    def add_imports(self) -> dict[str, Any]:
        """Import the hook."""
        return {"react": "useEffect"}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that listens for as long as the sheet is on the page."""
        return [rx.Var(_SCRIPT.format(id=str(self.sheet_id).strip('"')))]


def search_sheet(
    *entries: rx.Component, sheet_id: str, title: str, search_words: str, none_words: str
) -> rx.Component:
    """Return the sheet. A button with `opens(sheet_id)` opens it.

    Args:
        entries: elements with the role `option` or groups of them, from `sheet_option` and `sheet_group`.
        sheet_id: the id of the dialog.
        title: the heading above the search field.
        search_words: the placeholder and label of the search field.
        none_words: shown when nothing is found.
    """
    return rx.fragment(
        _SearchScript.create(sheet_id=sheet_id),
        rx.el.dialog(
            rx.el.div(
                rx.el.h2(title, class_name="heading", id=f"{sheet_id}-title"),
                rx.el.button(
                    _("Close"),
                    type="button",
                    custom_attrs={"data-closes": "", **works_offline()},
                    class_name="link small min-h-11 px-2",
                ),
                class_name="flex items-center justify-between gap-4",
            ),
            rx.el.input(
                type="text",
                role="combobox",
                auto_complete="off",
                spell_check=False,
                max_length=64,
                placeholder=search_words,
                aria_label=search_words,
                aria_expanded="true",
                aria_autocomplete="list",
                aria_controls=f"{sheet_id}-list",
                class_name="input",
            ),
            rx.el.p(
                custom_attrs={"data-none": none_words}, role="status", class_name="soft small empty:hidden"
            ),
            rx.el.div(
                *entries,
                id=f"{sheet_id}-list",
                role="listbox",
                aria_labelledby=f"{sheet_id}-title",
                class_name="sheet-list",
            ),
            id=sheet_id,
            aria_labelledby=f"{sheet_id}-title",
            class_name="sheet",
        ),
    )


def opens(sheet_id: str) -> dict[str, Any]:
    """Return the properties of a button that opens a sheet."""
    return {"type": "button", "aria_haspopup": "dialog", "custom_attrs": {"data-opens": sheet_id}}


def sheet_option(
    *content: rx.Component | rx.Var[str] | str,
    option_id: rx.Var[str] | str,
    search: rx.Var[str] | str,
    is_chosen: rx.Var[bool] | bool,
    is_closed: bool,
    **props: object,
) -> rx.Component:
    """Return one entry; `search` is the text that is searched.

    An `option_id` that depends on a value has to be a `Var`. From an f-string Reflex makes a name with a
    number that differs from process to process, so that no two builds would have the same files.
    """
    return rx.el.div(
        *content,
        id=option_id,
        role="option",
        aria_selected=rx.cond(is_chosen, "true", "false"),
        aria_disabled="true" if is_closed else "false",
        custom_attrs={"data-search": search},
        class_name="sheet-option",
        **props,
    )


def sheet_group(label: rx.Var[str] | str, *entries: rx.Component) -> rx.Component:
    """Return a group of entries below the label that they share."""
    return rx.el.div(
        rx.el.p(label, class_name="soft tiny px-3 pt-4 pb-1", aria_hidden="true"),
        *entries,
        role="group",
        aria_label=label,
    )
