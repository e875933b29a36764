"""Draws the figures as an SVG with its own colors: milliseconds by ledger entries, both logarithmic.

The machine was busier at some sizes than at others, so each point is the median time in the small store over
all measurements, multiplied by the ratio of the grown store to the small one in the same minutes.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Figures = Sequence[Mapping[str, Any]]

# The lines: name of the measurement, label, color on light and on dark, whether it is dashed.
_LINES = (
    ("verify-ledger", "verify-ledger", "#b42318", "#ff8a80", False),
    ("store 200 webhooks", "store 200 webhooks", "#7a4d00", "#e3b341", True),
    ("apply 50 deliveries", "apply 50 deliveries", "#8a3ffc", "#be95ff", False),
    ("home", "home", "#0b6e4f", "#4ade80", False),
    ("list, heavy, middle", "list, deep in a long one", "#005cc5", "#79c0ff", True),
    ("list", "list", "#005cc5", "#79c0ff", False),
    ("reader: what is open", "reader, a look", "#57606a", "#adbac7", False),
)
_WIDTH, _HEIGHT = 900, 500
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 262, 56, 64
_LEAST_APART = 17


def drawn(found: Figures) -> str:
    """Return the SVG. It has its own background, so it is readable on light and dark pages."""
    lines = {name: _values(found, name) for name, *_ in _LINES}
    everything = [y for values in lines.values() for _, y in values]
    low, high = _decade(min(everything), math.floor), _decade(max(everything), math.ceil)
    first, last = (math.log10(found[end]["size"]) for end in (0, -1))
    last = max(last, first + 1)

    def x(entries: float) -> float:
        return _LEFT + (math.log10(entries) - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(ms: float) -> float:
        part = (math.log10(ms) - low) / (high - low)
        return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)

    parts = [*_frame(found, low, high, x, y)]
    ends = _apart({name: y(values[-1][1]) for name, values in lines.items()})
    for number, (name, words, *_, is_dashed) in enumerate(_LINES):
        points = " ".join(f"{x(entries):.1f},{y(ms):.1f}" for entries, ms in lines[name])
        dash = ' stroke-dasharray="6 4"' if is_dashed else ""
        parts.append(f'<polyline class="l c{number}" points="{points}"{dash}/>')
        parts += [
            f'<circle class="d c{number}" cx="{x(entries):.1f}" cy="{y(ms):.1f}" r="3"/>'
            for entries, ms in lines[name]
        ]
        at = f'x="{_WIDTH - _RIGHT + 12}" y="{ends[name] + 4:.1f}"'
        parts.append(f'<text class="t c{number}" {at}>{words}, {_time(lines[name][-1][1])}</text>')
    title = "How long things take as the books grow"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<title>{title}</title>",
            f"<style>{_style()}</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>',
            f'<text class="h" x="{_LEFT}" y="32">{title}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _values(found: Figures, name: str) -> list[tuple[float, float]]:
    if name == "verify-ledger":
        return [(one["size"], one["proof"]["seconds"] * 1000) for one in found]
    small = statistics.median(one["times"][name][0] for one in found)
    return [(one["size"], small * one["times"][name][1] / one["times"][name][0]) for one in found]


def _decade(ms: float, rounded: Any) -> int:
    return int(rounded(math.log10(ms)))


def _frame(found: Figures, low: int, high: int, x: Any, y: Any) -> Iterator[str]:
    left, right, bottom = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for power in range(low, high + 1):
        at = y(10**power)
        yield f'<line class="g" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="a" x="{left - 10}" y="{at + 4:.1f}" text-anchor="end">{_tick(power)}</text>'
    for one in found:
        at = x(one["size"])
        yield f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text class="a" x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">{one["size"]:,}</text>'
    middle = (left + right) / 2
    below = f'x="{middle:.0f}" y="{bottom + 44}" text-anchor="middle"'
    yield f'<text class="a" {below}>entries of the ledger</text>'
    turned = f"rotate(-90 22 {(_TOP + bottom) / 2:.0f})"
    yield (
        f'<text class="a" x="22" y="{(_TOP + bottom) / 2:.0f}" text-anchor="middle" transform="{turned}">'
        "time, medians</text>"
    )


def _apart(wanted: dict[str, float]) -> dict[str, float]:
    """Return the vertical positions of the labels, moved apart so that none overlap."""
    placed: dict[str, float] = {}
    before = -math.inf
    for name in sorted(wanted, key=lambda one: wanted[one]):
        placed[name] = before = max(wanted[name], before + _LEAST_APART)
    return placed


def _tick(power: int) -> str:
    return f"{10 ** (power - 3):,} s" if power >= 3 else f"{10**power:g} ms"


def _time(ms: float) -> str:
    if ms >= 60_000:
        return f"{ms / 60_000:.3g} min"
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"


def _style() -> str:
    def colours(place: int) -> str:
        return "".join(
            f".c{n}{{stroke:{line[place]}}}text.c{n},circle.c{n}{{fill:{line[place]}}}"
            for n, line in enumerate(_LINES)
        )

    fonts = "text{font:13px system-ui,sans-serif;stroke:none!important}.h{font-size:16px;font-weight:600}"
    fonts += ".l{fill:none;stroke-width:2}"
    light = f".ground{{fill:#fff}}.h,.a{{fill:#1f2328}}.g{{stroke:#d0d7de}}{colours(2)}"
    dark = f".ground{{fill:#0d1117}}.h,.a{{fill:#e6edf3}}.g{{stroke:#30363d}}{colours(3)}"
    return f"{fonts}{light}@media(prefers-color-scheme:dark){{{dark}}}"
