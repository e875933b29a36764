"""The provider's payment page in a frame of our page, and the script that receives its messages.

A message from the widget is only a hint to ask the provider. Any window that opens our page can send messages
to it, so only the type is passed on, only from the frame, and only from its origin (WHATWG HTML 9.3).
"""

from typing import Any, cast

import reflex as rx
from reflex_base.components.memoize_helpers import get_memoized_event_triggers
from reflex_base.style import resolved_color_mode
from reflex_base.vars.base import Var
from reflex_components_core.base.fragment import Fragment  # type: ignore[import-untyped]

from onramp_app.config import get_settings
from onramp_app.texts import _
from onramp_app.top_ups.widget_frame import WIDGET_FEATURES, frame_name

FRAME_ID = "widget"
_PETROL_LIGHT, _PETROL_DARK = "#0e5a60", "#5cc2be"  # as in assets/theme.css
_LISTEN = """
useEffect(() => {{
  const hear = {hear};
  const listen = (event) => {{
    const frame = document.getElementById('{frame_id}');
    if (!frame || !event.isTrusted) return;
    if (event.origin !== {origin} || event.source !== frame.contentWindow) return;
    const kind = event.data?.eventData?.type;
    if (typeof kind !== 'string' || !/^ONRAMP_[A-Z_]{{1,57}}$/.test(kind)) return;
    frame.dataset.heard = '';  // The widget is there: hide the notice for when it is not.
    hear(kind);
  }};
  window.addEventListener('message', listen);
  return () => window.removeEventListener('message', listen);
}}, [{origin}]);
"""


def _kind_spec(kind: rx.Var[str]) -> tuple[rx.Var[str]]:
    return (kind,)


class WidgetMessages(Fragment):
    """Fires `on_message` with the type of each message that the frame of `origin` sends."""

    origin: rx.Var[str]
    on_message: rx.EventHandler[_kind_spec]  # type: ignore[type-arg, valid-type]  # Reflex's own notation

    @classmethod
    def create(cls, **props: Any) -> "WidgetMessages":
        """Create the component, which stands beside the frame."""
        component = cast("WidgetMessages", super().create(**props))
        component.event_triggers = {
            **component.event_triggers,
            **get_memoized_event_triggers(component),
        }
        return component

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "origin", *self.event_triggers]

    def add_imports(self) -> dict[str, str]:
        """Import the hook."""
        return {"react": "useEffect"}

    def add_hooks(self) -> list[str | Var[Any]]:
        """Return the hook that listens for as long as the component is on the page."""
        hear = Var.create(self.event_triggers["on_message"])
        return [Var(_LISTEN.format(frame_id=FRAME_ID, origin=self.origin, hear=hear))]


def widget_frame(
    url: rx.Var[str] | str,
    origin: rx.Var[str] | str,
    *,
    tab_url: rx.Var[str] | str,
    is_broken: rx.Var[bool] | bool,
    on_message: Any,
) -> rx.Component:
    """Return the payment page in a frame, which is allowed the browser features that the page uses.

    Args:
        url: the address of the page for a frame.
        origin: the origin of that address.
        tab_url: the address of the same page for a tab of its own.
        is_broken: whether the page has said that it cannot be shown.
        on_message: the handler of the types of the page's messages.
    """
    allow: Any = ""
    for feature in WIDGET_FEATURES:
        allow = allow + f"{feature} " + origin + "; "
    return rx.el.div(
        _when_late(tab_url, is_broken=is_broken),
        rx.el.div(
            WidgetMessages.create(origin=origin, on_message=on_message),
            rx.el.p(_("The payment page is opening."), class_name="widget-waiting soft"),
            rx.el.iframe(
                src=url,
                id=FRAME_ID,
                name=rx.cond(resolved_color_mode == "dark", _name(is_dark=True), _name(is_dark=False)),
                title=_("{provider}'s payment page").format(provider=get_settings().provider_name),
                allow=allow,
                referrer_policy="strict-origin",
                class_name="widget-frame",
            ),
            class_name="widget",
        ),
        class_name="widget-place",
    )


def _name(*, is_dark: bool) -> str:
    return frame_name(light_colour=_PETROL_LIGHT, dark_colour=_PETROL_DARK, is_dark=is_dark)


def _when_late(url: rx.Var[str] | str, *, is_broken: rx.Var[bool] | bool) -> rx.Component:
    """Return a way out for when no message comes: the payment page may be slow, or blocked by the browser.

    A page cannot find out whether a frame of another origin could be shown. The space for these words is
    reserved from the beginning, so that the payment page does not move under the person's hand.
    """
    return rx.el.p(
        rx.cond(is_broken, _("The payment page can't be shown here."), _("Nothing to see below?")),
        " ",
        rx.el.a(_("Open it in a new tab"), href=url, target="_blank", rel="noopener", class_name="link"),
        " · ",
        _("It's the same payment."),
        role="status",
        class_name=rx.cond(is_broken, "widget-late widget-broken", "widget-late"),
    )
