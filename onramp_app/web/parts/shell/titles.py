"""Where the keyboard is after a page has changed: at the title of what is new, and never lost at the body."""

from typing import Any

import reflex as rx

_ID = "title"


def title(*words: rx.Component | rx.Var[str] | str, class_name: str = "title") -> rx.Component:
    """Return the title of a page or step, which `FocusesTitle` can focus."""
    return rx.el.h1(*words, id=_ID, tab_index=-1, class_name=class_name)


class FocusesTitle(rx.Fragment):
    """Moves the focus to the title when `part` changes: what the person used before is gone.

    `part` names what is shown; empty while nothing is. `only_when_lost` leaves the focus where it is while
    that element is still there. A page that was opened by its address is left to the browser.
    """

    part: rx.Var[str]
    only_when_lost: rx.Var[bool] = rx.Var("false")

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "part", "only_when_lost"]

    def add_imports(self) -> dict[str, Any]:
        """Import the hooks."""
        return {"react": ["useEffect", "useRef"], "react-router": "useLocation"}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that follows `part`."""
        return [
            rx.Var("const titleAt = useLocation();"),
            rx.Var("const titledPart = useRef('');"),
            rx.Var(f"""
useEffect(() => {{
  const part = {self.part!s}, before = titledPart.current;
  if (!part || part === before) return;
  titledPart.current = part;
  if (!before && titleAt.key === 'default') return;
  const focused = document.activeElement;
  if ({self.only_when_lost!s} && focused && focused !== document.body) return;
  document.getElementById('{_ID}')?.focus();
}}, [{self.part!s}]);
"""),
        ]
