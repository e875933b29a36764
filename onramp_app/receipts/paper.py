"""Draws a receipt as one page of PDF. The same facts give the same bytes, whenever and wherever it is made.

Everything is drawn as plain text at a fixed place: what people call themselves is never read as markup, as a
name of a file, or as a part of the document. Making one takes some 30 ms of a processor; a thread does it,
one at a time, so that pages and webhooks go on.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import segno

from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.domain.ids import reference_of
from onramp_app.mail.links import address_of
from onramp_app.receipts import words
from onramp_app.receipts.codes import code_of
from onramp_app.receipts.facts import ReceiptFacts, facts_of
from onramp_app.receipts.words import Line
from onramp_app.texts import _, current_language
from onramp_app.throttle import throttle

_FONTS = Path(__file__).parent / "fonts"
_WIDTH, _HEIGHT, _MARGIN = 595.28, 841.89, 56.0  # A4 in points
_INK, _SOFT, _LINE, _PETROL, _APRICOT = "#14272A", "#5B6B6C", "#E4DCCB", "#0E5A60", "#F2994A"
_CODE_SIDE = 92.0
_LABEL_WIDTH = 150.0
_LEADING = 14.0
_MOST_LINES = 2  # of one value; the longest that there is, a hash, needs both


@dataclass(frozen=True, slots=True)
class _Face:
    """A font of one script. The first face with all letters of a text draws it."""

    name: str
    regular: str
    strong: str


# A face for another script is another line here. Letters that change their form beside others (Arabic,
# Devanagari) need `shapable=True` in `_register` and the extras `shaping` and `bidi` of the library.
_FACES = (_Face("plex-sans", "IBMPlexSans-Regular.ttf", "IBMPlexSans-SemiBold.ttf"),)

_one_at_a_time = asyncio.Semaphore(1)


async def receipt_of(viewer: Viewer, transaction_id: str) -> bytes:
    """Return the receipt of one of the viewer's transactions as a PDF file, in the current language.

    Raises:
        NotFound: there is none, or it is somebody else's.
        RateLimited: too many receipts were asked for.
    """
    await throttle.attempt(throttle.RECEIPT, viewer.user_id)
    facts = await facts_of(viewer, transaction_id)
    async with _one_at_a_time:
        return await asyncio.to_thread(draw, facts)


def check_address(facts: ReceiptFacts) -> str:
    """Return the address at which anybody can check the receipt."""
    return address_of(f"/receipt/{code_of(facts)}", language=current_language())


def draw(facts: ReceiptFacts) -> bytes:
    """Return the file. Not for the event loop: it works for some time."""
    from reportlab.pdfgen.canvas import Canvas

    _register()
    settings = get_settings()
    file = io.BytesIO()
    # Invariant: no time of making, and ids made of the content.
    canvas = Canvas(file, pagesize=(_WIDTH, _HEIGHT), invariant=1, pageCompression=1, lang=current_language())
    canvas.setTitle(f"{words.title_of(facts)} {reference_of(facts.id)}")
    canvas.setAuthor(settings.app_name)
    canvas.setCreator(settings.app_name)
    page = _Page(canvas)
    page.head(settings.app_name)
    if notice := words.simulation_notice(facts):
        page.banner(notice)
    page.title(words.title_of(facts), words.head_of(facts), words.statement_of(facts))
    page.lines(words.paper_lines(facts))
    page.foot(check_address(facts), words.notices())
    canvas.showPage()
    canvas.save()
    return file.getvalue()


class _Page:
    """One page, drawn from top to bottom. `_y` is the line on which the next thing stands."""

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self._y = _HEIGHT - _MARGIN

    def head(self, app_name: str) -> None:
        canvas, side = self._canvas, 22.0
        bottom = self._y - side + 6
        canvas.saveState()
        clip = canvas.beginPath()
        clip.roundRect(_MARGIN, bottom, side, side, 6)
        canvas.clipPath(clip, stroke=0)
        canvas.setFillColor(_PETROL)
        canvas.rect(_MARGIN, bottom, side, side, stroke=0, fill=1)
        canvas.setFillColor(_APRICOT)
        wave = canvas.beginPath()
        wave.moveTo(_MARGIN, bottom)
        wave.lineTo(_MARGIN, bottom + side * 0.42)
        wave.curveTo(
            _MARGIN + side * 0.3, bottom + side * 0.58,
            _MARGIN + side * 0.7, bottom + side * 0.58,
            _MARGIN + side, bottom + side * 0.42,
        )  # fmt: skip
        wave.lineTo(_MARGIN + side, bottom)
        canvas.drawPath(wave, stroke=0, fill=1)
        canvas.restoreState()
        self._text(app_name, (_MARGIN + side + 10, self._y - 8), size=13, is_strong=True)
        self._y -= 56

    def banner(self, notice: str) -> None:
        self._canvas.setFillColor("#FCE9D6")
        self._canvas.roundRect(_MARGIN, self._y - 8, _WIDTH - 2 * _MARGIN, 26, 8, stroke=0, fill=1)
        self._text(notice, (_MARGIN + 12, self._y), size=10)
        self._y -= 44

    def title(self, title: str, amount: str, statement: str) -> None:
        self._text(title, (_MARGIN, self._y), size=15, is_strong=True)
        self._y -= 40
        width = _WIDTH - 2 * _MARGIN
        self._text(amount, (_MARGIN, self._y), size=_fitting(amount, 32, width), is_strong=True)
        self._y -= 26
        for part in _wrapped(statement, 11, width):
            self._text(part, (_MARGIN, self._y), size=11, colour=_SOFT)
            self._y -= 16
        self._y -= 16

    def lines(self, lines: Sequence[Line]) -> None:
        width = _WIDTH - 2 * _MARGIN - _LABEL_WIDTH
        for line in lines:
            self._canvas.setStrokeColor(_LINE)
            self._canvas.setLineWidth(0.7)
            self._canvas.line(_MARGIN, self._y + 15, _WIDTH - _MARGIN, self._y + 15)
            self._text(line.label, (_MARGIN, self._y), size=9.5, colour=_SOFT)
            size = 8.5 if line.is_code else 9.5
            for part in _wrapped(line.value, size, width)[:_MOST_LINES]:
                self._text(part, (_MARGIN + _LABEL_WIDTH, self._y), size=size)
                self._y -= _LEADING
            self._y -= 8

    def foot(self, address: str, notices: Sequence[str]) -> None:
        canvas, bottom = self._canvas, _MARGIN
        rows = [list(row) for row in segno.make_qr(address, error="m").matrix_iter(border=0)]
        module = _CODE_SIDE / len(rows)
        canvas.setFillColor(_INK)
        for line, row in enumerate(rows):
            for column, is_dark in enumerate(row):
                if is_dark:
                    top = bottom + _CODE_SIDE - (line + 1) * module
                    # A hair more than its place, or thin white lines show between the squares.
                    canvas.rect(
                        _MARGIN + column * module, top, module + 0.05, module + 0.05, stroke=0, fill=1
                    )
        left = _MARGIN + _CODE_SIDE + 20
        width = _WIDTH - _MARGIN - left
        y = bottom + _CODE_SIDE - 10
        self._text(_("Check that this receipt is genuine"), (left, y), size=9.5, is_strong=True)
        y -= 13
        for part in _wrapped(address, 8, width):
            self._text(part, (left, y), size=8, colour=_PETROL)
            y -= 11
        canvas.linkURL(address, (left, y + 8, _WIDTH - _MARGIN, bottom + _CODE_SIDE), relative=0)
        y -= 5
        for notice in notices:
            for part in _wrapped(notice, 8, width):
                self._text(part, (left, y), size=8, colour=_SOFT)
                y -= 11

    def _text(
        self, text: str, at: tuple[float, float], *, size: float, is_strong: bool = False, colour: str = _INK
    ) -> None:
        font, drawn = _drawable(text, is_strong=is_strong)
        self._canvas.setFillColor(colour)
        self._canvas.setFont(font, size)
        self._canvas.drawString(*at, drawn)


@lru_cache(maxsize=1)
def _register() -> dict[str, frozenset[int]]:
    """Make the faces known to the library, once. Returns the letters of each, by its name."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    letters = {}
    for face in _FACES:
        regular = TTFont(face.name, str(_FONTS / face.regular))
        pdfmetrics.registerFont(regular)
        pdfmetrics.registerFont(TTFont(f"{face.name}-strong", str(_FONTS / face.strong)))
        letters[face.name] = frozenset(regular.face.charToGlyph)
    return letters


def _drawable(text: str, *, is_strong: bool) -> tuple[str, str]:
    """Return the font for a text, and the text; letters that no face has become question marks."""
    known = _register()
    suffix = "-strong" if is_strong else ""
    for face in _FACES:
        if all(ord(letter) in known[face.name] for letter in text):
            return f"{face.name}{suffix}", text
    first = _FACES[0].name
    return f"{first}{suffix}", "".join(letter if ord(letter) in known[first] else "?" for letter in text)


def _width(text: str, size: float, *, is_strong: bool = False) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    font, drawn = _drawable(text, is_strong=is_strong)
    return float(stringWidth(drawn, font, size))


def _fitting(text: str, size: float, width: float) -> float:
    """Return the size, or the smaller one at which the text fits into the width."""
    needed = _width(text, size, is_strong=True)
    return size if needed <= width else size * width / needed


def _wrapped(text: str, size: float, width: float) -> list[str]:
    """Break a text into lines, between words or, where one word is too long, inside it."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if _width(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while _width(line, size) > width:
            end = next(n for n in range(len(line) - 1, 0, -1) if _width(line[:n], size) <= width)
            lines.append(line[:end])
            line = line[end:]
    return [*lines, line]
