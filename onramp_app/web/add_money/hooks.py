"""Browser hooks of the wizard: one counts down the seconds of a quote, one keeps the address up to date.

Neither draws anything. The countdown sends one event when a quote has expired, not one each second, and none
while the tab is hidden; a person who comes back to the tab after that gets a new quote at once.
"""

from typing import Any

import reflex as rx
from reflex.event import EventHandler, no_args_event_spec
from reflex_base.components.memoize_helpers import get_memoized_event_triggers


class Countdown(rx.Fragment):
    """Writes the remaining seconds into the element `shown_in`, and fires `on_end` after the last one.

    `number` is the id of a countdown: a new one starts a new countdown. The server sends how many `seconds`
    are left and not when they end, because the browser's clock may be wrong.
    """

    number: rx.Var[str]
    seconds: rx.Var[int]
    shown_in: rx.Var[str]
    on_end: EventHandler[no_args_event_spec]  # type: ignore[type-arg,valid-type]  # as Reflex wants it

    @classmethod
    def create(cls, *children: Any, **props: Any) -> rx.Component:
        """Create the component with a trigger that stays the same between renders."""
        made = super().create(*children, **props)
        made.event_triggers = {**made.event_triggers, **get_memoized_event_triggers(made)}
        return made

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "number", "seconds", "shown_in", "on_end"]

    def add_imports(self) -> dict[str, str]:
        """Import the hook."""
        return {"react": "useEffect"}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that counts while the tab is visible."""
        on_end = rx.Var.create(self.event_triggers["on_end"])
        return [
            rx.Var(f"""
useEffect(() => {{
  const seconds = {self.seconds!s};
  if (!seconds) return;
  const end = performance.now() + seconds * 1000;
  let timer;
  const look = () => {{
    clearTimeout(timer);
    if (document.hidden) return;
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    const shown = document.getElementById({self.shown_in!s});
    if (shown) shown.textContent = left;
    if (left) timer = setTimeout(look, 1000);
    else ({on_end!s})();
  }};
  look();
  document.addEventListener('visibilitychange', look);
  return () => {{
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  }};
}}, [{self.number!s}]);
""")
        ]


class AddressOf(rx.Fragment):
    """Keeps the query of the address equal to `search`, and then goes to the query `forward`, if any.

    A keystroke replaces the history entry, since nobody wants to go back to it; a step forward adds one. Both
    happen here, in this order: a redirect by the server would overtake the last keystrokes, and going back
    would lead to the amount before them. A tab that has moved to another step meanwhile is left alone.
    """

    search: rx.Var[str]
    forward: rx.Var[str]

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "search", "forward"]

    def add_imports(self) -> dict[str, str]:
        """Import the hooks."""
        return {"react": "useEffect", "react-router": "useNavigate"}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that follows `search` and `forward` whenever they change."""
        return [
            rx.Var("const goTo = useNavigate();"),
            rx.Var(f"""
useEffect(() => {{
  const search = {self.search!s}, forward = {self.forward!s}, path = window.location.pathname;
  const stepOf = (query) => new URLSearchParams(query).get('step') || 'amount';
  if (!search || stepOf(search) !== stepOf(window.location.search)) return;
  if (search !== window.location.search) {{
    window.history.replaceState(window.history.state, '', path + search);
  }}
  if (forward) goTo(path + forward);
}}, [{self.search!s}, {self.forward!s}]);
"""),
        ]
