"""An operator's one-time code: created in their own session, good for one deed, and not guessable."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from typer.main import get_command
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.accounts import sessions
from onramp_app.accounts.tables import User
from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.errors import Forbidden, RateLimited, RecentSignInRequired, Unauthenticated
from onramp_app.operators import codes
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.review.decisions import decide
from onramp_app.throttle import throttle
from onramp_app.top_ups.transitions import Action
from tests.desk import REASON, Desk
from tests.people import operator_code, sign_in

ADDRESS = "203.0.113.7"


async def _viewer(desk: Desk, *, user_id: str | None = None, session_id: str | None = None) -> Viewer:
    user_id = user_id or desk.operator_id
    session_id = session_id or sign_in(desk.books.owner, user_id)
    async with transaction() as db:
        user = (await db.exec(select(User).where(User.id == user_id))).one()
    return sessions.viewer_of(user, session_id)


def _mandate(desk: Desk, code: str) -> Mandate:
    return Mandate(desk.operator_id, REASON, code)


def _left(desk: Desk) -> list[int]:
    return [left for (left,) in desk.books.owner.execute("SELECT guesses_left FROM operator_codes")]


async def test_a_code_that_was_made_on_the_page_is_good_for_one_act(desk: Desk) -> None:
    (first, _), (second, _) = await desk.held(), await desk.held()
    made = await codes.make(await _viewer(desk), address=ADDRESS)
    assert len(made.code) == 11
    assert abs(made.expires_at - clock.now() - timedelta(minutes=10)) < timedelta(seconds=5)
    await decide(first, Action.RELEASE, mandate=_mandate(desk, made.code))
    before = desk.everything()
    with pytest.raises(Forbidden, match="This code is not good"):
        await decide(second, Action.RELEASE, mandate=_mandate(desk, made.code))
    assert desk.everything() == before


async def test_a_code_is_read_as_people_type_it(desk: Desk) -> None:
    for change in (str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} ".replace("0", "O")):
        top_up_id, _ = await desk.held()
        code = operator_code(desk.books.owner, desk.operator_id)
        await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, change(code)))


async def test_an_act_that_was_refused_leaves_the_code_good(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    mandate = desk.mandate
    with pytest.raises(ActionNotPossible):
        await decide(top_up_id, Action.CLOSE, mandate=mandate)
    await decide(top_up_id, Action.RELEASE, mandate=mandate)


async def _raced(desk: Desk) -> list[str]:
    held = [(await desk.held())[0] for _ in range(16)]
    mandate = desk.mandate
    outcomes = await asyncio.gather(
        *(decide(top_up_id, Action.RELEASE, mandate=mandate) for top_up_id in held), return_exceptions=True
    )
    return sorted(type(one).__name__ for one in outcomes)


async def test_of_sixteen_acts_with_one_code_one_is_done(desk: Desk) -> None:
    assert await _raced(desk) == ["Decision", *["Forbidden"] * 15]
    assert len(desk.audit()) == 1


async def test_control_a_code_that_is_only_looked_at_does_all_sixteen(
    control_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(db: Any, user_id: str, code: str) -> object:
        return await codes._matching(db, user_id, code)

    monkeypatch.setattr(codes, "spend", look)
    assert await _raced(control_desk) == ["Decision"] * 16


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM auth_sessions",
        "UPDATE auth_sessions SET revoked_at = now(), end_reason = 'signed_out'",
        "UPDATE auth_sessions SET last_seen_at = now() - interval '31 minutes'",
        "UPDATE operator_codes SET made_at = now() - interval '11 minutes', expires_at = now()",
        "UPDATE operator_codes SET guesses_left = 0",
        "DELETE FROM operator_codes",
    ],
)
async def test_a_code_ends_with_its_time_and_its_session(desk: Desk, change: str) -> None:
    top_up_id, _ = await desk.held()
    mandate = desk.mandate
    desk.books.owner.execute(change)
    before = desk.everything()
    with pytest.raises(Forbidden, match="This code is not good"):
        await decide(top_up_id, Action.RELEASE, mandate=mandate)
    assert desk.everything() == before


async def test_a_code_is_its_operators_alone(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    other = desk.operator()
    code = operator_code(desk.books.owner, other)
    with pytest.raises(Forbidden):
        await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, code))
    await decide(top_up_id, Action.RELEASE, mandate=Mandate(other, REASON, code))


async def test_a_new_code_of_a_session_ends_the_earlier_one(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    viewer = await _viewer(desk)
    first, second = [await codes.make(viewer, address=ADDRESS) for _ in range(2)]
    with pytest.raises(Forbidden):
        await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, first.code))
    await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, second.code))


async def test_five_wrong_guesses_end_a_code_however_many_are_made_at_once(desk: Desk) -> None:
    top_up_id, _ = await desk.held()
    mandate, state = desk.mandate, desk.everything()[:3]
    guesses = [_mandate(desk, f"{number:05}-00000") for number in range(16)]
    outcomes = await asyncio.gather(
        *(decide(top_up_id, Action.RELEASE, mandate=guess) for guess in guesses), return_exceptions=True
    )
    assert {type(one) for one in outcomes} == {Forbidden}
    assert _left(desk) == [0]
    assert [action for _, action, _ in desk.audit()] == ["operator_code.refused"] * 5
    with pytest.raises(Forbidden):
        await decide(top_up_id, Action.RELEASE, mandate=mandate)
    assert desk.everything()[:3] == state


async def test_guesses_of_other_processes_count_too(desk: Desk) -> None:
    """Each command is a separate process, so a count in memory would start over each time."""
    mandate = desk.mandate
    top_up_id, _ = await desk.held()
    for number in range(4):
        throttle.forget()
        with pytest.raises(Forbidden):
            await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, f"{number:05}-00000"))
    assert _left(desk) == [1]
    await decide(top_up_id, Action.RELEASE, mandate=mandate)


async def test_codes_are_made_by_operators_who_signed_in_lately(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        await codes.make(await _viewer(desk, user_id=desk.books.user()), address=ADDRESS)
    viewer = await _viewer(desk)
    desk.books.owner.execute("UPDATE auth_sessions SET proved_at = now() - interval '15 minutes'")
    with pytest.raises(RecentSignInRequired):
        await codes.make(viewer, address=ADDRESS)
    desk.books.owner.execute("UPDATE auth_sessions SET proved_at = now() - interval '14 minutes'")
    await codes.make(viewer, address=ADDRESS)
    desk.books.owner.execute("UPDATE auth_sessions SET revoked_at = now(), end_reason = 'signed_out'")
    with pytest.raises(Unauthenticated):
        await codes.make(viewer, address=ADDRESS)


async def test_making_codes_has_a_limit(desk: Desk) -> None:
    viewer = await _viewer(desk)
    for _ in range(30):
        await codes.make(viewer, address=ADDRESS)
    with pytest.raises(RateLimited):
        await codes.make(viewer, address=ADDRESS)
    assert desk.books.count("operator_codes") == 1


async def test_the_making_and_the_use_are_on_record_and_the_code_is_nowhere(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    top_up_id, _ = await desk.held()
    made = await codes.make(await _viewer(desk), address=ADDRESS)
    kept = str(desk.books.owner.execute("SELECT * FROM operator_codes").fetchall())
    with pytest.raises(Forbidden):
        await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, "00000-00000"))
    await decide(top_up_id, Action.RELEASE, mandate=_mandate(desk, made.code))
    lines = desk.books.owner.execute(
        "SELECT actor, action, address <> '', detail::json ->> 'code' FROM audit_log"
        " WHERE action <> 'account.role_granted' ORDER BY at, id"
    ).fetchall()
    assert [line[:3] for line in lines] == [
        (desk.operator_id, "operator_code.made", True),
        ("command", "operator_code.refused", True),
        (desk.operator_id, "review.release", True),
    ]
    assert len({line[3] for line in lines}) == 1, "all three name the same code"
    rows = str(desk.books.owner.execute("SELECT * FROM audit_log").fetchall())
    for text in (kept, rows, caplog.text, repr(made), repr(_mandate(desk, made.code))):
        assert made.code not in text
        assert made.code.replace("-", "") not in text


async def test_a_code_outlives_a_change_of_the_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    top_up_id, _ = await desk.held()
    mandate = desk.mandate
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", get_settings().secret_key.get_secret_value())
    monkeypatch.setenv("SECRET_KEY", "another key that is long enough for all of this")
    get_settings.cache_clear()
    await decide(top_up_id, Action.RELEASE, mandate=mandate)


async def test_a_decision_that_forgets_to_ask_or_to_record_is_not_made(desk: Desk) -> None:
    user_id = desk.books.user()
    deed = Deed("test", user_id)

    async def forgetful(*, asks: bool, records: bool, after: bool = False) -> None:
        async with deciding(desk.mandate) as operator:
            user = (await operator.db.exec(select(User).where(User.id == user_id))).one()
            if after:
                user.display_name = "changed"
            if asks:
                await operator.authorise(deed)
            user.display_name = "changed"
            if records:
                operator.write_audit(at=clock.now(), detail={})

    for wrong in ({"asks": False, "records": True}, {"asks": True, "records": False}):
        with pytest.raises(RuntimeError):
            await forgetful(**wrong)
    with pytest.raises(RuntimeError):
        await forgetful(asks=True, records=True, after=True)
    name = "SELECT display_name FROM users WHERE id = %s"
    assert desk.books.owner.execute(name, (user_id,)).fetchone() == ("Asha",)
    assert (desk.audit(), desk.books.count("operator_codes")) == ([], 3)
    await forgetful(asks=True, records=True)
    assert desk.books.owner.execute(name, (user_id,)).fetchone() == ("changed",)


# Commands that decide nothing: they show something, set up an installation, or request a resend.
DECIDE_NOTHING = {
    "check", "migrate", "build", "worker", "simulator", "create-user", "verify-ledger", "backup", "restore",
    "webhooks list", "webhooks show", "review list", "kyc list", "kyc show",
    "api-keys list", "onramp set-webhook", "onramp send-dummy", "onramp resend", "mail send-test",
    "webhooks-out list", "webhooks-out send-test",
}  # fmt: skip


def _commands(group: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= _commands(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command
    return found


def test_every_command_that_decides_takes_a_code_and_a_confirmation() -> None:
    commands = _commands(get_command(app))
    takes = {
        name
        for name, command in commands.items()
        if {"--by", "--code", "--confirm"} <= {option for one in command.params for option in one.opts}
    }
    assert takes == {
        "grant-role", "reconcile", "webhooks replay",
        "review release", "review return", "review close", "review reverse", "review attribute",
        "review credit", "review remit", "review setoff",
        "review make-good", "review write-off", "kyc set", "factors reset",
        "api-keys create", "api-keys rotate", "api-keys revoke",
        "webhooks-out redeliver", "webhooks-out disable",
    }  # fmt: skip
    assert commands.keys() - takes == DECIDE_NOTHING, "a new command that decides takes a code"


def test_a_code_that_was_not_given_is_read_from_standard_input(desk: Desk) -> None:
    code = operator_code(desk.books.owner, desk.operator_id)
    wanted = ("review", "release", "0" * 32, "--reason", REASON, "--by", desk.operator_id)
    refused = CliRunner().invoke(app, wanted, input=f"{code}\n")
    assert refused.stderr == "There is no such top-up.\n", "it came as far as that"
