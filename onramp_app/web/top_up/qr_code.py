"""Draws an address as a QR code (ISO/IEC 18004), as data that a page puts into an SVG path."""

from functools import lru_cache
from itertools import groupby

import segno


@lru_cache(maxsize=128)
def qr_code(address: str) -> tuple[str, int]:
    """Return the data of a path of filled squares, one unit each, and how many units the code is wide.

    The quiet zone of four units that readers need is part of it. Error correction is M (15 %), which a
    screen needs less than paper does.
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
