"""The wizard's refusals are in the language of the profile."""

import dataclasses
from collections.abc import Iterator

import pytest

from onramp_app.web.add_money.state import WizardState
from tests.made_up_language import LANGUAGE, NAMES, Framing, make_up, unframed
from tests.web.add_money.conftest import Street, begun

_SAID = (
    "amount_problem",
    "receive_problem",
    "review_problem",
    "open_problem",
    "problem",
    "changed",
    "verify_words",
)
_SHOWN = (*_SAID, "bill", "offer", "time", "open_title", "open_text", "open_ones", "blocked")


def _texts(value: object) -> Iterator[str]:
    if dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            if one.name in (
                "words",
                "label",
                "title",
                "text",
                "charged",
                "next",
                "tag",
                "action",
                "limits",
                "cost",
            ):
                yield from _texts(getattr(value, one.name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _said(page: WizardState) -> list[str]:
    return [text for name in _SHOWN for text in _texts(getattr(page, name))]


async def test_every_refusal_of_the_wizard_is_in_the_language_of_the_profile(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_up(monkeypatch, Framing())
    visit = await street.new_visit()
    street.owner.execute("UPDATE users SET language = %s", (LANGUAGE,))
    await visit.open()
    refused = []
    for typed in ("€5", "0", "-50", "abc", "1", "99999999"):
        await visit.do("typed", typed)
        refused.append(visit.page.amount_problem)
        assert unframed(_said(visit.page), *NAMES) == set()
    for typed in ("0", "€5", "99999999999"):
        await visit.do("typed_receive", typed)
        assert unframed(_said(visit.page), *NAMES) == set()
    assert all(one.startswith("⟦") for one in refused)
    assert len(set(refused)) >= 4

    street.simulator.scenario("api_down", times=None)
    await visit.do("refresh")
    assert visit.page.problem.startswith("⟦")
    street.simulator.control("scenario", method="DELETE")
    await begun(street)
    await visit.open()
    assert visit.page.open_ones
    assert unframed(_said(visit.page), *NAMES) == set()
