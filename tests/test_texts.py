"""The catalogue template holds exactly the texts of the code, and the texts are in plain English."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import onramp_app
from onramp_app import texts

CODE = Path(onramp_app.__file__).parent


def _ids_in_code() -> set[str | tuple[str, ...]]:
    return {message for _file, _line, message, _comments, _context in extract_from_dir(CODE)}


def test_the_template_holds_every_text_of_the_code():
    with (texts.LOCALE_DIR / "messages.pot").open("rb") as file:
        in_template = {message.id for message in read_po(file) if message.id}
    assert in_template == _ids_in_code(), "run: pybabel extract, as the first lines of texts.py say"


def test_texts_change_with_the_language_and_back(monkeypatch):
    class Shouting(texts.gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return message.upper()

    english = texts._catalogue
    monkeypatch.setattr(texts, "_catalogue", lambda code: Shouting() if code == "xx" else english(code))
    with texts.language_of_texts("xx"):
        assert texts._("Home") == "HOME"
    assert texts._("Home") == "Home"


# How the texts sound

_CODE_WORDS = r"told|anew|story|begun|began|begins?|whoever"
_RIDDLES = (
    r"itself|ourselves|themselves|all the same|need not|takes its time|goes on|go on|once more|news"
    r"|another amount|the least|the most|kept for|taken back|gives? back|given back|credited|did not fit"
)
_STIFF = (
    r"(?:do|does|did|is|are|was|were|has|have|had|will|would|could|should) not|cannot|you may|we are|we have"
    r"|there is no|there is nothing"
)
_OLD = (
    r"follow it|start (?:another|again)|say how much|ask whoever|as far as we know|not connected"
    r"|show amounts in|leave it empty|payment provider(?:'s)?"
)
FORBIDDEN = re.compile(rf"\b(?:{_CODE_WORDS}|{_RIDDLES}|{_STIFF}|{_OLD})\b", re.IGNORECASE)


@cache
def _code() -> dict[str, ast.Module]:
    """Return the application's parsed modules by their paths, parsed once for all tests."""
    return {str(path.relative_to(CODE)): ast.parse(path.read_text()) for path in CODE.rglob("*.py")}


def _texts_in_template() -> Iterator[str]:
    with (texts.LOCALE_DIR / "messages.pot").open("rb") as file:
        for message in read_po(file):
            yield from (message.id,) if isinstance(message.id, str) else message.id


def test_no_text_sounds_as_they_once_did() -> None:
    """Texts are plain, short and speak to the user: no code jargon, no riddles, no stiff forms."""
    every = list(_texts_in_template())
    assert len(every) > 800
    assert {text: found[0] for text in every if (found := FORBIDDEN.search(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "The whole story",
        "Pay for what you began, or start another.",
        "You need not do anything.",
        "If you paid all the same, it is credited when it arrives.",
        "We notice your payment by ourselves.",
        "News shows here by itself.",
        "The payment provider takes its time.",
        "You pay on the payment provider's own page.",
        "Ask whoever runs this wallet, and name this reference:",
        "You told the provider that you paid.",
        "We do not know yet whether you were charged.",
        "There is no page here",
        "The name on the payment did not fit",
        "Sign in to go on.",
        "What we call you. You can leave it empty.",
    ],
)
def test_an_old_text_that_comes_back_is_found(text: str) -> None:
    assert FORBIDDEN.search(text)


# How refusals sound, to programs and in commands: plain too, but as formal as documentation is

_FORBIDDEN_IN_REFUSALS = re.compile(
    rf"\b(?:{_CODE_WORDS}|itself|ourselves|all the same|need not|go(?:es)? on|once more|taken back)\b",
    re.IGNORECASE,
)


def _names_of_errors(trees: list[ast.Module]) -> set[str]:
    """Return the class names of the application's errors, whichever modules they were imported from."""
    bases = {
        one.name: {base.id for base in one.bases if isinstance(base, ast.Name)}
        for tree in trees
        for one in ast.walk(tree)
        if isinstance(one, ast.ClassDef)
    }
    names = {"ApplicationError", "FieldError"}
    while more := {name for name, its in bases.items() if its & names} - names:
        names |= more
    return names


def _refusals(tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Yield the sentences that errors are raised with, including field errors, and their titles."""
    for node in ast.walk(tree):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            given = [*node.args, *(named.value for named in node.keywords)]
        elif isinstance(node, ast.ClassDef) and node.name in names:
            given = [one.value for one in node.body if isinstance(one, ast.Assign)]
        for one in given:
            parts = one.values if isinstance(one, ast.JoinedStr) else getattr(one, "elts", [one])
            text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
            if " " in text:
                yield text


def test_no_refusal_sounds_as_they_once_did() -> None:
    trees = list(_code().values())
    names = _names_of_errors(trees)
    every = [text for tree in trees for text in _refusals(tree, names)]
    assert len(every) > 150
    assert {text: found[0] for text in every if (found := _FORBIDDEN_IN_REFUSALS.search(text))} == {}


def test_a_refusal_that_sounds_so_is_found() -> None:
    tree = ast.parse('class A(ApplicationError): pass\nraise A(f"The {what} was not told to us.")')
    (found,) = _refusals(tree, _names_of_errors([tree]))
    assert _FORBIDDEN_IN_REFUSALS.search(found)


# No sentence is joined from halves

_WHOLE_END = (".", "?", "!", "…", ":", "}")
_JOINS_WHOLE = ("sentences", "filled")


def _is_text(node: ast.AST) -> bool:
    """Return whether a node is a translated text, with or without its values formatted in."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return node.func.attr == "format" and _is_text(node.func.value)
    return isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext")


def _words(node: ast.AST) -> str:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    first = node.args[0] if isinstance(node, ast.Call) and node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _glue(node: ast.AST) -> bool:
    """Return whether a node is only punctuation between its neighbors: a space, a comma, a full stop."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return bool(node.value) and not re.search(r"[\w\N{MIDDLE DOT}]", node.value)


def _stand_in_halves(parts: list[ast.expr]) -> bool:
    return any(
        (_is_text(one) and _glue(two) and not _words(one).endswith(_WHOLE_END))
        or (_glue(one) and _is_text(two) and _words(two)[:1].islower())
        for one, two in pairwise(parts)
    )


def _joins_halves(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=ast.Add()):
            return _is_text(node.left) or _is_text(node.right)
        case ast.JoinedStr():
            has_text = any(_is_text(one) for one in ast.walk(node))
            parts = [one.value for one in node.values if isinstance(one, ast.Constant)]
            return has_text and any(part.strip() != "\N{MIDDLE DOT}" for part in parts)
        case ast.Call(func=ast.Attribute(attr="join")):
            return any(_is_text(one) for argument in node.args for one in ast.walk(argument))
        case ast.Call() if not (isinstance(node.func, ast.Name) and node.func.id in _JOINS_WHOLE):
            return _stand_in_halves(node.args)
        case ast.Tuple() | ast.List():
            return _stand_in_halves(node.elts)
    return False


def _ends_open(text: str) -> bool:
    """Return whether a text starts or ends with a space, and so expects another text beside it."""
    return text != text.strip()


def test_no_text_waits_for_another_half() -> None:
    assert [text for text in _texts_in_template() if _ends_open(text)] == []
    assert _ends_open(" becomes ")


def _halves(tree: ast.Module) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if _joins_halves(node)]


def test_nothing_is_joined_from_halves() -> None:
    """Word order differs between languages, so a sentence is one text whose variable parts are named."""
    found = {name: _halves(tree) for name, tree in _code().items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        '_("Pay") + amount',
        "f\"{_('Pay')} {amount}\"",
        "f\"{_('{asset} arrived').format(asset=asset)}: {tag}\"",
        '", ".join(_(one) for one in some)',
        'rx.el.p(_("Last updated"), " ", clock, ".")',
        'rx.el.p(link, " ", _("and quote:"))',
        'terms = (_("You agree to the"), " ", link, ". ")',
        'rx.fragment(_("Fee of {n}").format(n=1) + "!", x)',
    ],
)
def test_a_joined_half_is_found(source: str) -> None:
    assert _halves(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        'filled(_("Last updated {time}."), time=clock)',
        'sentences(_("One."), _("Two."))',
        'rx.el.p(_("Whole."), " ", _("Another."))',
        'rx.el.p(_("Key:"), " ", key)',
        "f\"{_('Page not found')} · {name}\"",
    ],
)
def test_what_is_whole_is_left_alone(source: str) -> None:
    assert not _halves(ast.parse(source))
