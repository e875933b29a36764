"""The catalogue template holds exactly the words of the code."""

from pathlib import Path

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
