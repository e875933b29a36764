"""Hooks that have the browser make a passkey, or answer with one (WebAuthn level 3). Neither draws anything.

Nothing of an answer is secret: it is good for the one challenge that our server made for it.
"""

from typing import Any

import reflex as rx
from reflex.event import EventHandler, no_args_event_spec
from reflex_base.components.memoize_helpers import get_memoized_event_triggers

# Half of the life of a challenge, so that what the person starts now has the other half.
_RENEW_AFTER_MILLISECONDS = 5 * 60 * 1000


def _text_spec(text: rx.Var[str]) -> tuple[rx.Var[str]]:
    return (text,)


class _Hook(rx.Fragment):
    """A component without anything to see, whose triggers stay the same between renders."""

    @classmethod
    def create(cls, *children: Any, **props: Any) -> rx.Component:
        """Create the component."""
        made = super().create(*children, **props)
        made.event_triggers = {**made.event_triggers, **get_memoized_event_triggers(made)}
        return made

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), *self.get_props()]

    def add_imports(self) -> dict[str, str]:
        """Import the hook."""
        return {"react": "useEffect"}


class PasskeyRequest(_Hook):
    """Shows the button `button_id` where there are passkeys, and hands an answer to `request` on.

    Until then the button is hidden, or invisible where it is to keep its place. The answer goes into the
    field `passkey` of the form `form_id`, which is then sent; without a form it goes to `on_answer`. With
    `is_offered_in_fields` the browser also offers passkeys in a field that says so
    (`autocomplete="webauthn"`). `on_old` fires when `request` is to be renewed.
    """

    request: rx.Var[str]
    button_id: rx.Var[str]
    problem_id: rx.Var[str]
    form_id: rx.Var[str]
    is_offered_in_fields: rx.Var[bool]
    on_old: EventHandler[no_args_event_spec]  # type: ignore[type-arg,valid-type]  # as Reflex wants it
    on_answer: EventHandler[_text_spec]  # type: ignore[type-arg,valid-type]  # as Reflex wants it

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that waits for the button."""
        triggers = self.event_triggers
        on_old = rx.Var.create(triggers["on_old"]) if "on_old" in triggers else "null"
        on_answer = rx.Var.create(triggers["on_answer"]) if "on_answer" in triggers else "null"
        return [
            rx.Var(f"""
useEffect(() => {{
  const request = {self.request!s};
  const button = document.getElementById({self.button_id!s});
  const problem = document.getElementById({self.problem_id!s});
  const able = window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  if (!request || !button || !able) return;
  button.hidden = false;
  button.classList.remove('invisible');
  const onOld = {on_old!s}, onAnswer = {on_answer!s};
  let waiting = null, gone = false;
  const ask = async (mediation) => {{
    waiting?.abort();
    const mine = waiting = new AbortController();
    try {{
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(request));
      const answer = await navigator.credentials.get({{ publicKey, mediation, signal: mine.signal }});
      const text = JSON.stringify(answer.toJSON());
      const form = document.getElementById({self.form_id!s});
      if (!form) return onAnswer(text);
      form.elements.passkey.value = text;
      form.submit();
    }} catch (error) {{
      if (!mine.signal.aborted && mediation !== 'conditional' && problem) problem.hidden = false;
      // An offer that the browser itself refuses is not made again: it would be refused at once, without end.
      if (!mine.signal.aborted && !gone && mediation !== 'conditional') offer();
    }}
  }};
  const offer = async () => {{
    if (!{self.is_offered_in_fields!s}) return;
    if (await PublicKeyCredential.isConditionalMediationAvailable?.() && !gone) ask('conditional');
  }};
  const click = () => {{
    if (problem) problem.hidden = true;
    ask('optional');
  }};
  button.addEventListener('click', click);
  offer();
  const timer = onOld && setTimeout(() => onOld(), {_RENEW_AFTER_MILLISECONDS});
  return () => {{
    gone = true;
    waiting?.abort();
    clearTimeout(timer);
    button.removeEventListener('click', click);
  }};
}}, [{self.request!s}]);
""")
        ]


class PasskeyCreation(_Hook):
    """Has the browser make a passkey whenever `options` become others, and hands the answer to `on_made`.

    `on_failed` fires when there is none: the person said no, or the device holds a passkey already.
    """

    options: rx.Var[str]
    on_made: EventHandler[_text_spec]  # type: ignore[type-arg,valid-type]  # as Reflex wants it
    on_failed: EventHandler[_text_spec]  # type: ignore[type-arg,valid-type]  # as Reflex wants it

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Return the hook that follows `options`."""
        on_made = rx.Var.create(self.event_triggers["on_made"])
        on_failed = rx.Var.create(self.event_triggers["on_failed"])
        return [
            rx.Var(f"""
useEffect(() => {{
  const options = {self.options!s};
  if (!options) return;
  const made = {on_made!s}, failed = {on_failed!s};
  (async () => {{
    if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) return failed('NotSupportedError');
    try {{
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options));
      const answer = await navigator.credentials.create({{ publicKey }});
      made(JSON.stringify(answer.toJSON()));
    }} catch (error) {{
      failed(String(error.name));
    }}
  }})();
}}, [{self.options!s}]);
""")
        ]
