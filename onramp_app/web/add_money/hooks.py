"""What the wizard's page does by itself in the browser: it counts a quote's seconds and follows the choices.

Neither draws anything. An event is fired once a quote has ended, never each second, and never while the tab
is hidden: whoever comes back to it then gets a new quote at once.
"""

from typing import Any

import reflex as rx
from reflex.event import EventHandler, no_args_event_spec
from reflex_base.components.memoize_helpers import get_memoized_event_triggers


class Countdown(rx.Fragment):
    """Writes the seconds that are left into the element `shown_in`, and fires `on_end` after the last.

    `number` is another one for each countdown; the browser's own clock may be wrong, so it is told how many
    `seconds` there are and not when they end.
    """

    number: rx.Var[str]
    seconds: rx.Var[int]
    shown_in: rx.Var[str]
    on_end: EventHandler[no_args_event_spec]  # type: ignore[type-arg,valid-type]  # as Reflex wants it

    @classmethod
    def create(cls, *children: Any, **props: Any) -> rx.Component:
        """Create it, with a trigger that stays the same between drawings."""
        made = super().create(*children, **props)
        made.event_triggers = {**made.event_triggers, **get_memoized_event_triggers(made)}
        return made

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "number", "seconds", "shown_in", "on_end"]

    def add_imports(self) -> dict[str, str]:
        """Import the hook."""
        return {"react": "useEffect"}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Count while the tab can be seen."""
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
    """Keeps the query of the address equal to `search`, and goes on to the query `forward`, if any.

    Typing is no page to go back to, so it replaces the address; a step forward is one. Both happen here,
    one after the other: a redirect by the server would overtake the last keystrokes, and whoever came back
    would find what stood there before them. Whoever has gone to another step meanwhile is left alone.
    """

    search: rx.Var[str]
    forward: rx.Var[str]

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "search", "forward"]

    def add_imports(self) -> dict[str, str]:
        """Import the hooks."""
        return {"react": "useEffect", "react-router": "useNavigate"}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Follow `search` and `forward` whenever they change."""
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
