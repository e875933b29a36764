"""Draws an address as a QR code (ISO/IEC 18004): the data of an SVG path."""

from functools import lru_cache
from itertools import groupby

import reflex as rx
import segno


@lru_cache(maxsize=128)
def qr_code(address: str) -> tuple[str, int]:
    """Return the data of an SVG path of filled squares, one unit each, and the width of the code in units.

    The width includes the quiet zone of four units that scanners need. Error correction is level M (15 %).
    """
    code = segno.make_qr(address, error="m")
    rows = [list(row) for row in code.matrix_iter(border=4)]
    parts = []
    for y, row in enumerate(rows):
        x = 0
        for is_dark, modules in groupby(row):
            width = len(list(modules))
            if is_dark:
                parts.append(f"M{x} {y}h{width}v1h-{width}z")
            x += width
    return "".join(parts), len(rows)


def qr_picture(path: rx.Var[str] | str, size: rx.Var[int] | int, *, title: str) -> rx.Component:
    """Return the picture of a code that `qr_code` made, both of whose values stand in a state."""
    return rx.el.svg(
        rx.el.svg.title(title),
        rx.el.svg.path(d=path, fill="#14272a"),
        view_box=f"0 0 {size} {size}",
        role="img",
        shape_rendering="crispEdges",
        class_name="qr-code mt-4",
    )
