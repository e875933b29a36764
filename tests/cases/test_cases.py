"""Only one case at a time is open for the same subject, and it is closed when its cause is resolved."""

from typing import Any

import psycopg
import pytest

from onramp_app.cases.cases import Concern, close_cases, open_cases, open_unnamed
from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.environment import Environment
from tests import rows

SIMULATOR = Environment.SIMULATOR


@pytest.fixture
def owner(database: str):
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
        yield owner


@pytest.fixture
def concern(owner: psycopg.Connection[Any]) -> Concern:
    return Concern(
        CaseKind.IN_REVIEW, top_up_id=rows.top_up(owner, rows.user(owner)), detail="it was paid late"
    )


async def _open(*concerns: Concern) -> list[Concern]:
    async with transaction() as db:
        return await open_cases(db, concerns, environment=SIMULATOR, at=clock.now())


async def _close(*concerns: Concern, by: str = "system") -> None:
    async with transaction() as db:
        await close_cases(db, concerns, at=clock.now(), by=by)


def _cases(owner: psycopg.Connection[Any]) -> list[tuple[str, str | None, str | None]]:
    """Return each case's detail, who closed it and why, oldest first."""
    return owner.execute(
        "SELECT detail, closed_by, close_reason FROM exceptions ORDER BY opened_at"
    ).fetchall()


async def test_what_has_an_open_case_gets_no_second_one(owner, concern) -> None:
    another = Concern(CaseKind.IN_REVIEW, top_up_id=rows.top_up(owner, rows.user(owner)))
    assert await _open(concern) == [concern]
    assert await _open(concern, another) == [another]
    assert len(_cases(owner)) == 2


async def test_a_closed_case_says_who_closed_it_and_why_and_another_may_be_opened(owner, concern) -> None:
    await _open(concern)
    await _close(Concern(concern.kind, top_up_id=concern.top_up_id, detail="it was ours"), by="operator-1")
    assert _cases(owner) == [(concern.detail, "operator-1", "it was ours")]
    assert await _open(concern) == [concern]
    assert _cases(owner)[1] == (concern.detail, None, None)


async def test_a_case_of_another_kind_or_another_top_up_stays_open(owner, concern) -> None:
    await _open(concern)
    await _close(Concern(CaseKind.HELD, top_up_id=concern.top_up_id))
    await _close(Concern(concern.kind, top_up_id=rows.top_up(owner, rows.user(owner))))
    assert _cases(owner) == [(concern.detail, None, None)]


@pytest.mark.parametrize(("is_once", "opened_again"), [(False, 3), (True, 2)])
async def test_cases_that_name_nothing_are_so_many_and_may_be_opened_once(
    owner: psycopg.Connection[Any], *, is_once: bool, opened_again: int
) -> None:
    async def find(detail: str) -> None:
        async with transaction() as db:
            more = {"environment": SIMULATOR, "at": clock.now()}
            await open_unnamed(db, CaseKind.RECORD_UNREADABLE, detail, most=2, is_once=is_once, **more)

    for detail in ("first", "second", "third"):
        await find(detail)
    assert [detail for detail, *_ in _cases(owner)] == ["first", "second"]
    owner.execute("UPDATE exceptions SET closed_at = now(), closed_by = 'system', close_reason = 'seen'")
    await find("first")
    assert len(_cases(owner)) == opened_again
