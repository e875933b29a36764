"""Renders a letter as HTML that is readable in light and dark mode and without images, and as plain text.

Nothing is loaded from the network, so that a mail tells nobody that it was opened. Colours are inline styles,
which every mail client applies; clients with a dark mode apply the style sheet as well.
"""

import textwrap
from html import escape

from onramp_app.config import get_settings
from onramp_app.mail.letter import Letter
from onramp_app.texts import _, current_language

_WIDTH = 78  # RFC 5322 section 2.1.1
_FONT = "font-family:'IBM Plex Sans',-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_STYLE = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .paper { background: #0C1718 !important; }
  .card { background: #122122 !important; border-color: #21383A !important; }
  .ink { color: #F1EBDD !important; }
  .soft { color: #9DB0AE !important; }
  .line { border-color: #21383A !important; }
  .link { color: #5CC2BE !important; }
  .button { background: #5CC2BE !important; color: #06201F !important; }
}
"""


def html_of(letter: Letter) -> str:
    """Return the letter as an HTML document. Every text is escaped, as none may contain markup."""
    name = escape(get_settings().app_name)
    parts = [
        f'<h1 class="ink" style="{_ink(24)};margin:0 0 16px;font-weight:600">{escape(letter.title)}</h1>'
    ]
    parts += [_paragraph(text) for text in letter.paragraphs]
    if letter.facts:
        parts.append(_facts(letter.facts))
    if letter.action is not None:
        words, address = escape(letter.action.words), escape(letter.action.address)
        parts.append(
            f'<p style="margin:24px 0"><a class="button" href="{address}"'
            f' style="{_FONT};display:inline-block;'
            "background:#0E5A60;color:#FFFDF8;font-size:16px;font-weight:600;line-height:24px;"
            f'padding:12px 24px;border-radius:12px;text-decoration:none">{words}</a></p>'
        )
    parts += [_paragraph(text) for text in letter.after]
    if letter.help is not None:
        parts.append(
            f'<p style="{_ink(16)};margin:0 0 14px"><a class="link" href="{escape(letter.help.address)}"'
            f' style="color:#0E5A60;font-weight:600">{escape(letter.help.words)}</a></p>'
        )
    if letter.action is not None:
        # Some mail clients do not show links, and some people prefer to see where a link leads.
        shown_for = escape(_("If the button doesn't work, open this address in your browser:"))
        parts.append(
            f'<p class="soft" style="{_soft()};margin:20px 0 0">{shown_for}<br>'
            f'<span style="word-break:break-all">{address}</span></p>'
        )
    foot = "".join(
        f'<p class="soft" style="{_soft()};margin:0 0 4px">{escape(t)}</p>' for t in letter.about_mails
    )
    return (
        f'<!doctype html>\n<html lang="{escape(current_language())}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="supported-color-schemes" content="light dark">\n'
        f"<title>{escape(letter.subject)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        '<body class="paper" style="margin:0;padding:0;background:#F7F3EA">\n'
        '<div class="paper" style="background:#F7F3EA;padding:24px 12px">\n'
        '<div style="max-width:560px;margin:0 auto">\n'
        f'<p class="ink" style="{_ink(18)};margin:0 0 16px;font-weight:600">{name}</p>\n'
        '<div class="card" style="background:#FFFDF8;border:1px solid #E4DCCB;border-radius:18px;'
        'padding:28px 24px">\n' + "\n".join(parts) + "\n</div>\n"
        f'<div style="padding:16px 4px">{foot}</div>\n</div>\n</div>\n</body>\n</html>\n'
    )


def _ink(size: int) -> str:
    return f"{_FONT};color:#14272A;font-size:{size}px;line-height:{round(size * 1.35)}px"


def _soft() -> str:
    return f"{_FONT};color:#5B6B6C;font-size:13px;line-height:19px"


def _paragraph(text: str) -> str:
    return f'<p class="ink" style="{_ink(16)};margin:0 0 14px">{escape(text)}</p>'


def _facts(facts: tuple[tuple[str, str], ...]) -> str:
    rows = "".join(
        f'<tr><td class="soft line" style="{_soft()};padding:8px 16px 8px 0;border-top:1px solid #E4DCCB;'
        f'vertical-align:top;white-space:nowrap;width:1%">{escape(name)}</td>'
        f'<td class="ink line" style="{_ink(15)};padding:8px 0;'
        f'border-top:1px solid #E4DCCB;vertical-align:top;word-break:break-word">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0"'
        f' style="width:100%;border-collapse:collapse;margin:4px 0 14px">{rows}</table>'
    )


def text_of(letter: Letter) -> str:
    """Return the letter as plain text. Each address is on its own line, unbroken."""
    blocks = [letter.title.upper(), *map(_wrapped, letter.paragraphs)]
    if letter.facts:
        blocks.append("\n".join(f"{name}: {value}" for name, value in letter.facts))
    if letter.action is not None:
        blocks.append(f"{letter.action.words}:\n{letter.action.address}")
    blocks += map(_wrapped, letter.after)
    end = [get_settings().app_name, *letter.about_mails]
    return "\n\n".join(blocks) + "\n\n-- \n" + "\n".join(end) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
