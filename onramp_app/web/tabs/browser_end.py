"""The browser's end of the socket, written into Reflex's `state.js`: is anybody there, and what may be sent.

Reflex notices a connection that is gone only when a try to reconnect fails, keeps what was clicked meanwhile
and sends it once it is back. Here the page asks the server every second (`web/tabs/pulse.py`
answers). It is offline while no answer comes within three seconds, while the socket is down, or while the
browser says so. Then nothing that a person does is sent, also not later, and the buttons that need the server
say so. What a person has just sent is not sent again while its answer is awaited: after a double click a form
that succeeded would say that it failed.

Nothing is imported here: `rxconfig.py` loads this file for each command.
"""

ASK_EVERY_MS = 1_000
ANSWER_WITHIN_MS = 3_000  # as `pulse.LATE_AFTER_MS`
# Longer than what systems take for a double click.
DOUBLE_CLICK_MS = 600
LEAVES_WITHIN_MS = 5_000
_CONNECTION = """
// Whether the server can be reached, and what may be sent to it (onramp_app/web/tabs/browser_end.py).
export const connection = (() => {
  const OF_THE_PAGE = new Set([
    "hydrate", "hydrate_and_load", "on_load_internal", "update_vars_internal", "handle_frontend_exception",
  ]);
  const NEEDS_SERVER =
    "button:not([popovertarget]):not([data-works-offline]), button[data-needs-server]";
  const listeners = new Set(), marked = new Map();
  let socket, state = "waiting", doubt = "", shown = "waiting", timer, later, observer;
  let wasConnected = false, hasFailed = false, isOverdue = false, downSince = 0;
  let link = 0, asked = 0, answered = 0, serverTime = null, heardAt = 0, actedAt = 0, updatedAt = 0;
  let sent = "", leaving = new WeakMap();

  const isOfPerson = (event) =>
    typeof event?.name === "string" &&
    event.name.startsWith("reflex___state") &&
    !OF_THE_PAGE.has(event.name.split(".").at(-1));
  const isLost = () =>
    !navigator.onLine || hasFailed || isOverdue || (wasConnected && !socket?.connected);
  const now = () =>
    serverTime === null ? undefined : Math.round(serverTime + performance.now() - heardAt);

  const say = () => {
    const next = doubt ? `${state} ${doubt}` : state;
    if (next === shown) return;
    shown = next;
    for (const listener of listeners) listener();
  };
  const mark = () => {
    for (const button of document.querySelectorAll(NEEDS_SERVER)) {
      if (marked.has(button)) continue;
      const names = ["aria-disabled", "aria-describedby"];
      marked.set(button, names.map((name) => [name, button.getAttribute(name)]));
      button.setAttribute("aria-disabled", "true");
      button.setAttribute("aria-describedby", "offline-words");
    }
  };
  const unmark = () => {
    for (const [button, before] of marked) {
      for (const [name, value] of before) {
        if (value === null) button.removeAttribute(name);
        else button.setAttribute(name, value);
      }
    }
    marked.clear();
  };
  const enter = (next) => {
    if (next === state) return;
    state = next;
    document.documentElement.toggleAttribute("data-offline", state === "lost");
    observer?.disconnect();
    if (state === "lost") {
      const kept = event_queue.filter((event) => !isOfPerson(event));
      if (kept.length < event_queue.length) doubt = "refused";
      else if (actedAt > updatedAt) doubt = "unsure";
      event_queue.splice(0, event_queue.length, ...kept);
      mark();
      observer = new MutationObserver(mark);
      observer.observe(document.body, { childList: true, subtree: true });
    } else unmark();
  };
  const update = () => {
    clearTimeout(later);
    // An instance that is replaced is back at once: nobody has to read about that.
    const isBrief = navigator.onLine && !hasFailed && !isOverdue && performance.now() - downSince < 700;
    if (isLost() && isBrief) later = setTimeout(update, 200);
    else enter(isLost() ? "lost" : wasConnected ? "live" : "waiting");
    say();
  };

  const ask = () => {
    clearTimeout(timer);
    if (!socket?.connected || document.hidden) return;
    const number = (asked += 1), asking = link;
    socket.emit("alive", now() ?? null);
    setTimeout(() => {
      // A page that was busy itself reads the answers that have come meanwhile first.
      setTimeout(() => {
        if (asking !== link || answered >= number || document.hidden || !socket.connected) return;
        isOverdue = true;
        update();
        socket.io.engine?.close();
      }, 200);
    }, ANSWER_WITHIN);
    timer = setTimeout(ask, ASK_EVERY);
  };
  // A form with an address leads to another page. It is sent again if that page takes very long.
  const isLeaving = ({ type, target }) => {
    if (type !== "submit" || !target.hasAttribute("action")) return false;
    if (performance.now() - leaving.get(target) < LEAVES_WITHIN) return true;
    leaving.set(target, performance.now());
    return false;
  };
  const isRepeated = (events) => {
    const text = JSON.stringify(events.map(({ name, payload }) => [name, payload]));
    const since = performance.now() - actedAt;
    const isAwaited = updatedAt < actedAt && since < ANSWER_WITHIN;
    if (text === sent && (isAwaited || since < DOUBLE_CLICK)) return true;
    sent = text;
    return false;
  };
  const refuse = (event) => {
    if (state !== "lost") {
      if (!isLeaving(event)) return;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const button = event.type === "click" ? event.target.closest?.(NEEDS_SERVER) : event.target;
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    doubt = "refused";
    say();
  };

  return {
    follow(opened) {
      socket = opened;
      socket.on("connect", () => {
        [wasConnected, hasFailed, isOverdue] = [true, false, false];
        [link, asked, answered, serverTime] = [link + 1, 0, 0, null];
        update();
        ask();
      });
      socket.on("alive", (time) => {
        [serverTime, heardAt, answered] = [time, performance.now(), answered + 1];
      });
      socket.on("event", () => { updatedAt = performance.now(); });
      socket.on("connect_error", () => { hasFailed = true; update(); });
      socket.on("disconnect", () => { downSince = performance.now(); update(); });
      if (this.isSetUp) return;
      this.isSetUp = true;
      setTimeout(() => { if (!wasConnected) { hasFailed = true; update(); } }, 4500);
      window.addEventListener("online", () => { update(); ask(); });
      window.addEventListener("offline", update);
      window.addEventListener("pageshow", () => { leaving = new WeakMap(); });
      document.addEventListener("visibilitychange", ask);
      document.addEventListener("click", refuse, true);
      document.addEventListener("submit", refuse, true);
      update();
    },
    admits(events, args) {
      if (!events.some(isOfPerson)) return true;
      const isAdmitted = !isLost();
      // A countdown of the page that ends is nothing that a person did.
      if ([args].flat().some((one) => one?.preventDefault)) {
        if (isAdmitted && isRepeated(events)) return false;
        if (isAdmitted) actedAt = performance.now();
        doubt = isAdmitted ? "" : "refused";
        say();
      }
      return isAdmitted;
    },
    dated: (event) => (isOfPerson(event) ? { ...event, at: now() } : event),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    shown: () => shown,
  };
})();
export const useConnection = () =>
  useSyncExternalStore(connection.subscribe, connection.shown, () => "waiting");
"""
for _name, _milliseconds in {
    "ASK_EVERY": ASK_EVERY_MS,
    "ANSWER_WITHIN": ANSWER_WITHIN_MS,
    "DOUBLE_CLICK": DOUBLE_CLICK_MS,
    "LEAVES_WITHIN": LEAVES_WITHIN_MS,
}.items():
    _CONNECTION = _CONNECTION.replace(_name, str(_milliseconds))

CHANGES = (
    (
        'import { useCallback, useEffect, useRef, useState } from "react";',
        'import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";',
    ),
    ("const event_queue = [];\n", "const event_queue = [];\n" + _CONNECTION),
    (
        "  socket.current.wait_connect = !socket.current.connected;\n",
        "  socket.current.wait_connect = !socket.current.connected;\n  connection.follow(socket.current);\n",
    ),
    (
        "      () => queueEvents(_events, socket, false, navigate, params),",
        "      () =>\n"
        "        connection.admits(_events, args) &&\n"
        "        queueEvents(_events, socket, false, navigate, params),",
    ),
    (
        'socket.emit("event", encodeFormDataArgs(routed_event));',
        'socket.emit("event", encodeFormDataArgs(connection.dated(routed_event)));',
    ),
)
"""What becomes of `state.js` of Reflex 0.10.1: pairs of a text that stands there once, and a new one."""
