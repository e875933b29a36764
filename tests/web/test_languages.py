"""A person's language is used everywhere: on pages, by handlers, in pushes, mails and receipts.

No translation exists yet, so one is made up that frames each text. Any letters outside a frame were never
translated.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import reflex as rx

from onramp_app import texts
from onramp_app.config import get_settings
from onramp_app.mail.letters import letter_of, trial
from onramp_app.mail.messages import text_of_row
from onramp_app.mail.tables import OutboxMail
from onramp_app.mail.words import MailKind
from onramp_app.wallet.latest import Latest
from onramp_app.web import routes
from onramp_app.web.activity.state import ActivityState
from onramp_app.web.activity.story_state import StoryState
from onramp_app.web.home.state import HomeState
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.live import catch_up
from onramp_app.web.tabs.session import SessionState
from onramp_app.web.top_up.state import TopUpPageState
from tests import rows
from tests.made_up_language import LANGUAGE, NAMES, Framing, make_up, unframed
from tests.mail.test_letters import DETAILS
from tests.web.conftest import cookie_of


@pytest.fixture(autouse=True)
def made_up(monkeypatch) -> None:
    make_up(monkeypatch, Framing())


# What the pages are built from

_SHOWN_PROPERTY = re.compile(
    r'^"?(?:aria-label|ariaLabel|title|placeholder|alt|label)"?\s*:\s*(.*)$', re.DOTALL
)
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')


def _literals(expression: str) -> Iterator[str]:
    """Yield the texts in a page's expression, whether alone or as the branches of a condition."""
    text = expression.strip()
    if _LITERAL.fullmatch(text):
        yield json.loads(text)
        return
    for answer in re.findall(r'[?:]\s*\(?\s*("(?:[^"\\]|\\.)*")', text):
        yield json.loads(answer)


def _texts_of(rendered: object) -> Iterator[str]:
    if isinstance(rendered, dict):
        for name, value in rendered.items():
            if name == "contents" and isinstance(value, str):
                yield from _literals(value)
            elif name == "props":
                for prop in value:
                    if isinstance(prop, str) and (shown := _SHOWN_PROPERTY.match(prop)):
                        yield from _literals(shown[1])
            else:
                yield from _texts_of(value)
    elif isinstance(rendered, list | tuple):
        for one in rendered:
            yield from _texts_of(one)


def _pages() -> dict[str, tuple[str, list[str]]]:
    with texts.language_of_texts(LANGUAGE):
        return {
            one.route: (one.title, [one.title, one.description, *_texts_of(one.build().render())])
            for one in routes._pages()
        }


def test_every_page_is_built_of_translated_texts(monkeypatch) -> None:
    # Reflex adds these variables with the routes.
    for name in ("top_up_id", "link_token", "id", "code"):
        monkeypatch.setattr(rx.State, name, rx.Var(name, _var_type=str), raising=False)
    pages = _pages()
    assert {"/home", "/add-money", "/login", "/help", "/profile"} <= pages.keys()
    assert sum(len(found) for _title, found in pages.values()) > 500
    # Names of countries and currencies are CLDR's in that language.
    options = set(_names_of_cldr())
    left = {
        route: unframed((text for text in found if text not in options), *NAMES)
        for route, (_title, found) in pages.items()
    }
    assert {route: some for route, some in left.items() if some} == {}


def _names_of_cldr() -> Iterator[str]:
    from onramp_app.web.parts.countries import country_options, currency_options  # as the pages name them

    with texts.language_of_texts(LANGUAGE):
        for _code, name in (*country_options(), *currency_options()):
            yield name


def test_a_text_that_nobody_translates_is_found() -> None:
    assert unframed(iter(["⟦Home⟧", "⟦{0} by ⟦UPI⟧⟧ · ₹1"])) == set()
    assert unframed(iter(["⟦Home⟧ and more"])) == {"⟦Home⟧ and more"}
    page = {
        "contents": '"Home"',
        "props": ['ariaLabel:"Places"'],
        "children": [{"contents": 'a ? "Live" : b'}],
    }
    assert set(_texts_of(page)) == {"Home", "Places", "Live"}


# What handlers and pushes say


def _sentences(value: object) -> Iterator[str]:
    """Yield every text in what a page was sent, except URLs, timestamps and codes."""
    if dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            if not re.search(
                r"address|url|origin|code|_id|^id$|kind|direction|tone|reference|state|again_", one.name
            ):
                yield from _sentences(getattr(value, one.name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _sentences(one)
    elif isinstance(value, str) and not re.fullmatch(
        r"\d{4}-\d\d-\d\dT[\d:.]+Z|[\dA-F]{4}-[\dA-F]{4}", value
    ):
        yield value


@pytest.fixture
def speaks(books, new_account, open_tab):
    """A function that opens a tab for a person whose profile has another language."""

    async def make(path: str):
        ada = await new_account()
        books.owner.execute("UPDATE users SET language = %s", (LANGUAGE,))
        tab = open_tab(cookie_of(ada), path=path)
        await tab.hydrate()
        return ada, tab

    return make


async def test_handlers_and_pushes_speak_the_language_of_the_profile(speaks, books) -> None:
    ada, tab = await speaks("/home")
    top_up_id = rows.top_up(books.owner, ada.viewer.user_id)
    rows.widget_session(books.owner, top_up_id)
    read = {
        HomeState: ("/home", ("balance", "open_cards", "assets", "recent")),
        ActivityState: ("/activity", ("rows",)),
        StoryState: (f"/activity/{top_up_id}", ("story",)),
        TopUpPageState: (f"/add-money/{top_up_id}", ("page",)),
    }
    for state, (path, names) in read.items():
        for status, charged in (("created", "no"), ("processing", "yes"), ("expired", "unknown")):
            books.owner.execute("UPDATE top_ups SET status = %s, charged = %s", (status, charged))
            tab.connect(cookie_of(ada), path=path)
            await tab.send(state.event_handlers["load"])
            shown = await tab.state(state)
            values = [text for name in names for text in _sentences(getattr(shown, name))]
            assert any("⟦" in text for text in values), (path, values)
            assert unframed(iter(values), *NAMES, top_up_id) == set()

            # A push is not caused by an event of the tab, so only the person's profile gives the language.
            books.owner.execute("UPDATE top_ups SET status = 'canceled', charged = 'no'")
            texts.speak("en")
            viewer = dataclasses.replace(ada.viewer, language=LANGUAGE)
            assert await catch_up(tab.root, Latest(viewer))
            pushed = [text for name in names for text in _sentences(getattr(shown, name))]
            assert pushed != values
            assert unframed(iter(pushed), *NAMES, top_up_id) == set()


async def test_what_goes_wrong_is_said_in_the_language_of_the_profile(speaks) -> None:
    _ada, tab = await speaks("/profile")
    await tab.send(SessionState.event_handlers["show_failure"], "unexpected")
    assert (await tab.state(SessionState)).notice.startswith("⟦")
    await tab.send(ProfileState.event_handlers["change_password"], {"current": "x", "new": "y"})
    profile = await tab.state(ProfileState)
    said = [value for value in profile.dict()[profile.get_full_name()].values() if isinstance(value, str)]
    assert any(text.startswith("⟦") for text in said), said


async def test_whoever_is_signed_in_to_nothing_reads_the_language_of_the_address(database, open_tab) -> None:
    tab = open_tab("", path=f"/{LANGUAGE}/login")
    await tab.send(SessionState.event_handlers["show_failure"], "unexpected")
    assert (await tab.state(SessionState)).notice.startswith("⟦")
    tab = open_tab("", path="/login")
    await tab.send(SessionState.event_handlers["show_failure"], "unexpected")
    assert not (await tab.state(SessionState)).notice.startswith("⟦")


async def test_a_page_in_another_language_is_pushed_to_like_every_other(speaks, books) -> None:
    ada, tab = await speaks(f"/{LANGUAGE}/home")
    await tab.send(HomeState.event_handlers["load"])
    books.top_up(ada.viewer.user_id)
    assert await catch_up(tab.root, Latest(ada.viewer))
    assert (await tab.state(HomeState)).open_cards


# What mails say


@pytest.mark.parametrize("kind", list(MailKind))
def test_every_mail_is_in_the_language_of_its_recipient(kind: MailKind, monkeypatch) -> None:
    monkeypatch.setenv("SUPPORT_EMAIL", "help@wallet.example")
    get_settings.cache_clear()
    with texts.language_of_texts(LANGUAGE):
        letter = letter_of(kind, DETAILS, secret="s" * 22)
    shown = [
        letter.subject,
        letter.title,
        *letter.paragraphs,
        *(name for name, _value in letter.facts),
        *([letter.action.words] if letter.action else []),
        *letter.after,
        *([letter.help.words] if letter.help else []),
        *letter.about_mails,
    ]
    assert unframed(iter(shown)) == set()
    assert trial().subject.startswith("Emails")


def test_the_outbox_writes_a_mail_in_the_language_that_is_kept_with_it() -> None:
    row = OutboxMail(
        id="a" * 32, event_key="k", kind="top_up_failed", user_id="b" * 32, recipient="ada@mail.example",
        language=LANGUAGE, details=json.dumps(DETAILS), created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    mail = text_of_row(row)
    assert mail.subject.startswith("⟦")
    assert f'<html lang="{LANGUAGE}">' in mail.html
