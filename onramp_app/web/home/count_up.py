"""Counts the balance up visibly when money arrives. At rest, the page shows exactly what the server wrote."""

from typing import Any

import reflex as rx

_MILLISECONDS = 400


class CountsUp(rx.Fragment):
    """Counts the amount in the element `shown_in` up from the previous amount, whenever it grows.

    The element holds `head` and then `tail`, the decimals, each as one text node. Counting changes digits
    only, so currency and grouping stay as the language writes them. People who prefer reduced motion, and
    tabs in the background, get the new amount at once.
    """

    shown_in: rx.Var[str]
    head: rx.Var[str]
    tail: rx.Var[str]

    def _exclude_props(self) -> list[str]:
        return [*super()._exclude_props(), "shown_in", "head", "tail"]

    def add_imports(self) -> dict[str, list[str]]:
        """Import the hooks."""
        return {"react": ["useLayoutEffect", "useRef"]}

    def add_hooks(self) -> list[rx.Var[Any]]:
        """Start before the browser paints, so that the new amount does not flash up before the count.

        Both texts are rewritten whenever either changes: React does not touch a text that is the same as in
        the last render, although an interrupted count may have left it half-way.
        """
        return [
            rx.Var("const countedUpTo = useRef(null);"),
            rx.Var(f"""
useLayoutEffect(() => {{
  const digits = (text) => text.replace(/\\D/g, ''), sign = (text) => text.replace(/[\\d.,\\s]/g, '');
  const head = {self.head!s}, tail = {self.tail!s}, decimals = digits(tail).length;
  const amount = Number(digits(head) + digits(tail)) / 10 ** decimals;
  const before = countedUpTo.current, shown = document.getElementById({self.shown_in!s});
  countedUpTo.current = {{ amount, sign: sign(head + tail) }};
  const walker = shown && document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
  const nodes = [], texts = [head, tail].filter((text) => text);
  while (walker?.nextNode()) nodes.push(walker.currentNode);
  if (nodes.length !== texts.length) return;
  const write = (written) => nodes.forEach((node, number) => {{ node.nodeValue = written[number]; }});
  write(texts);

  const isStill = document.hidden || matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (isStill || before?.sign !== sign(head + tail) || !(before.amount < amount)) return;
  const draw = (counted) => {{
    const length = digits(head + tail).length;
    const left = [...String(Math.floor(counted * 10 ** decimals)).padStart(length, '0')];
    let hasBegun = false;  // Nobody writes 0,985.
    const next = (letter) => {{
      const drawn = /\\d/.test(letter) ? left.shift() : letter;
      hasBegun ||= /[1-9]/.test(drawn) || left.length <= decimals;
      return hasBegun || !/[\\d.,]/.test(drawn) ? drawn : '';
    }};
    write(texts.map((text) => [...text].map(next).join('')));
  }};
  const began = performance.now();
  let frame;
  const step = () => {{
    const part = (performance.now() - began) / {_MILLISECONDS};
    if (part >= 1) return write(texts);
    draw(before.amount + (amount - before.amount) * (1 - (1 - part) ** 3));
    frame = requestAnimationFrame(step);
  }};
  step();
  return () => cancelAnimationFrame(frame);
}}, [{self.head!s}, {self.tail!s}]);
"""),
        ]
