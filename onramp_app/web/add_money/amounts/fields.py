"""The script of the two amount fields: it formats them, and marks figures that they no longer match."""

from typing import Any

import reflex as rx

_SCRIPT = """
useEffect(() => {{
  const texts = {{amount: [{paid_heard}, {paid_written}], receive: [{received_heard}, {received_written}]}};
  const fields = Object.keys(texts).map((id) => document.getElementById(id)).filter(Boolean);
  const form = fields[0]?.form;
  if (!form) return;
  const isForced = amountWrites.current !== {writes};
  amountWrites.current = {writes};
  const put = (field, text) => {{
    field.value = text;
    field.dataset.written = text;
  }};
  const settle = (field) => {{
    const [heard, written] = texts[field.id];
    const isUntouched = field.value === (field.dataset.written ?? '');
    // What was heard stays heard, also once the other field was typed into and this one follows.
    if (heard) field.dataset.heard = heard;
    const isLeft = field !== document.activeElement && field.value === field.dataset.heard && written;
    if (isUntouched || isLeft) put(field, written);
  }};
  const look = () => {{
    const changed = fields.find((field) => !texts[field.id].includes(field.value));
    if (changed) form.dataset.differs = changed.id;
    else delete form.dataset.differs;
  }};
  fields.forEach((field) => (isForced ? put(field, texts[field.id][1]) : settle(field)));
  look();
  // The focus has not moved yet while the field is left.
  const leave = (event) => setTimeout(() => fields.includes(event.target) && settle(event.target));
  form.addEventListener('input', look);
  form.addEventListener('focusout', leave);
  return () => {{
    form.removeEventListener('input', look);
    form.removeEventListener('focusout', leave);
  }};
}}, [{paid_heard}, {paid_written}, {received_heard}, {received_written}, {writes}]);
"""


class AmountFields(rx.Fragment):
    """Keeps the fields `amount` and `receive` of the surrounding form up to date. It draws nothing.

    A field holds either what the person typed, once the server has heard it (`…_heard`), or what the server
    wrote (`…_written`). What was typed stays as it is until the person leaves the field. From the first
    keystroke that matches neither, the form has `data-differs`, so that the bill is dimmed before the server
    is asked. `writes`: a new number overwrites both fields, whatever they hold.
    """

    paid_heard: rx.Var[str]
    paid_written: rx.Var[str]
    received_heard: rx.Var[str]
    received_written: rx.Var[str]
    writes: rx.Var[int]

    def _own(self) -> dict[str, rx.Var[Any]]:
        return {
            "paid_heard": self.paid_heard,
            "paid_written": self.paid_written,
            "received_heard": self.received_heard,
            "received_written": self.received_written,
            "writes": self.writes,
        }

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), *self._own()]

    def add_imports(self) -> dict[str, Any]:
        """Import the hooks."""
        return {"react": ["useEffect", "useRef"]}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that runs whenever one of the texts changes."""
        return [
            rx.Var("const amountWrites = useRef(-1);"),
            rx.Var(_SCRIPT.format(**{name: str(var) for name, var in self._own().items()})),
        ]
