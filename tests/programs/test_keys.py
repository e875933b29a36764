"""Operators create, rotate and revoke keys: shown once, audited, and the program stays the same."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.programs import issuing, keys
from onramp_app.programs.admission import admit
from onramp_app.programs.powers import Changes, Powers, networks_of, scopes_of, span_of
from onramp_app.programs.views import NewKey, Program
from onramp_app.programs.words import Scope
from tests import rows
from tests.desk import REASON, Desk
from tests.people import operator_code

HERE = "203.0.113.8"
DEBITS = Powers(("debits",), ("203.0.113.0/24",), 100)
DAY = timedelta(days=1)


@pytest.fixture
def admins(desk: Desk) -> Desk:
    rows.grant_role(desk.books.owner, desk.operator_id, "admin")
    return desk


async def _made(desk: Desk, name: str = "shop") -> NewKey:
    return await issuing.create(name, DEBITS, mandate=desk.mandate)


async def _used(key: str) -> Program:
    return await admit(key, scope=Scope.DEBITS, address=HERE)


def _lines(desk: Desk) -> list[tuple[str, str, dict[str, Any]]]:
    found = desk.books.owner.execute(
        "SELECT action, subject, detail FROM audit_log WHERE action LIKE 'api_key.%' ORDER BY at, id"
    )
    return [(action, subject, json.loads(detail)) for action, subject, detail in found]


async def test_a_key_is_shown_once_and_kept_as_a_hash(admins: Desk, caplog: pytest.LogCaptureFixture) -> None:
    made = await _made(admins)
    assert (await _used(made.key)).id == made.program_id
    given = keys.read(made.key)
    assert given is not None
    tables = ("programs", "api_keys", "audit_log")
    kept = "".join(
        str(admins.books.owner.execute(f"SELECT t::text FROM {table} t").fetchall()) for table in tables
    )
    for text in (kept, caplog.text, repr(made), repr(await issuing.listed())):
        assert given.secret not in text
    ((action, subject, detail),) = _lines(admins)
    assert (action, subject) == ("api_key.created", made.program_id)
    assert detail["key"] == made.key_id
    assert (detail["name"], detail["scopes"], detail["reason"]) == ("shop", "debits", REASON)


async def test_a_rotated_key_is_the_same_program_and_the_old_one_works_for_its_time(admins: Desk) -> None:
    first = await _made(admins)
    changes = Changes(scopes=("debits", "users"))
    second = await issuing.rotate("shop", keep_old=DAY, changes=changes, mandate=admins.mandate)
    assert second.program_id == first.program_id
    assert (await _used(first.key)).id == (await _used(second.key)).id
    ((program,),) = [await issuing.listed()]
    new, old = program.keys
    assert (new.scopes, new.networks, new.requests_per_minute) == (("debits", "users"), DEBITS.networks, 100)
    assert old.scopes == ("debits",)
    assert new.ends_at is None
    assert old.ends_at is not None
    admins.books.owner.execute("UPDATE api_keys SET ends_at = now() WHERE ends_at IS NOT NULL")
    with pytest.raises(Unauthenticated):
        await _used(first.key)
    await _used(second.key)


async def test_a_rotation_never_lets_an_old_key_live_longer(admins: Desk) -> None:
    first = await _made(admins)
    for keep_old in (timedelta(hours=1), DAY, timedelta()):
        await issuing.rotate("shop", keep_old=keep_old, changes=Changes(), mandate=admins.mandate)
        ends = admins.books.owner.execute(
            "SELECT ends_at <= now() + interval '1 hour' FROM api_keys WHERE id = %s", (first.key_id,)
        ).fetchone()
        assert ends == (True,), keep_old
    with pytest.raises(Unauthenticated):
        await _used(first.key)


@pytest.mark.parametrize("named_by", [lambda made: made.key_id, lambda made: made.key])
async def test_one_key_is_revoked_at_once_and_the_other_goes_on(
    admins: Desk, named_by: Callable[[NewKey], str]
) -> None:
    first = await _made(admins)
    second = await issuing.rotate("shop", keep_old=DAY, changes=Changes(), mandate=admins.mandate)
    operator = admins.operator()
    assert await issuing.revoke(named_by(first), mandate=admins.mandate_of(operator)) == [first.key_id]
    with pytest.raises(Unauthenticated):
        await _used(first.key)
    await _used(second.key)
    with pytest.raises(ActionNotPossible):
        await issuing.revoke(first.key_id, mandate=admins.mandate_of(operator))
    assert _lines(admins)[-1][2]["keys"] == [first.key_id]


async def test_a_program_whose_keys_were_revoked_gets_one_again_and_is_the_same(admins: Desk) -> None:
    first = await _made(admins)
    await issuing.revoke("shop", mandate=admins.mandate)
    with pytest.raises(Unauthenticated):
        await _used(first.key)
    again = await issuing.rotate("shop", keep_old=DAY, changes=Changes(), mandate=admins.mandate)
    assert (await _used(again.key)).id == first.program_id
    with pytest.raises(Unauthenticated):
        await _used(first.key)


async def test_operators_make_no_keys_and_unknown_names_have_none(admins: Desk) -> None:
    operator = admins.operator()
    with pytest.raises(Forbidden, match="not an admin"):
        await issuing.create("shop", DEBITS, mandate=admins.mandate_of(operator))
    await _made(admins)
    with pytest.raises(ActionNotPossible, match="a program of this name"):
        await _made(admins, " shop ")
    for which in ("other", "0" * 32, keys.written("0" * 32, keys.new_secret())):
        with pytest.raises(NotFound) as refused:
            await issuing.revoke(which, mandate=admins.mandate)
        assert which not in refused.value.detail


async def test_a_second_operator_confirms_a_key_and_sees_it_and_ends_one_alone(
    admins: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "100"}')
    get_settings.cache_clear()
    other = admins.operator()

    async def confirmed(deed: Callable[[Any], Awaitable[NewKey]]) -> NewKey:
        with pytest.raises(SecondOperatorNeeded) as needed:
            await deed(admins.mandate)
        return await deed(admins.mandate_of(other, confirms=needed.value.proposal))

    made = await confirmed(lambda who: issuing.create("shop", DEBITS, mandate=who))
    rotated = await confirmed(
        lambda who: issuing.rotate("shop", keep_old=DAY, changes=Changes(), mandate=who)
    )
    assert (await _used(made.key)).id == (await _used(rotated.key)).id
    with pytest.raises(SecondOperatorNeeded) as needed:
        await issuing.rotate("shop", keep_old=DAY, changes=Changes(), mandate=admins.mandate)
    wider = admins.mandate_of(other, confirms=needed.value.proposal)
    with pytest.raises(ActionNotPossible, match="not what was proposed"):
        await issuing.rotate("shop", keep_old=DAY, changes=Changes(networks=()), mandate=wider)
    assert len(await issuing.revoke("shop", mandate=admins.mandate_of(other))) == 2


def test_powers_are_read_as_operators_write_them() -> None:
    assert scopes_of("users, debits") == ("users", "debits")
    assert networks_of("203.0.113.8, 2001:db8::/32") == ("2001:db8::/32", "203.0.113.8/32")
    assert networks_of("") == ()
    assert [span_of(text) for text in ("0", "90m", "24h", "30d")] == [
        timedelta(),
        timedelta(minutes=90),
        DAY,
        timedelta(days=30),
    ]
    for wrong in (
        lambda: scopes_of(""),
        lambda: scopes_of("users,everything"),
        lambda: networks_of("203.0.113.8/24"),
        lambda: networks_of("::ffff:203.0.113.0/120"),
        lambda: networks_of("shop.example"),
        lambda: networks_of(",".join(f"10.0.0.{n}" for n in range(33))),
        lambda: span_of("31d"),
        lambda: span_of("-1h"),
        lambda: span_of("1"),
        lambda: Powers(("users",), (), 0),
        lambda: Powers(("users",), (), 6001),
    ):
        with pytest.raises(ValidationFailed):
            wrong()


def test_the_commands_make_list_rotate_and_revoke(admins: Desk) -> None:
    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result.output

    def deciding(*arguments: str) -> tuple[str, ...]:
        code = operator_code(admins.books.owner, admins.operator_id)
        return (*arguments, "--reason", REASON, "--by", admins.operator_id, "--code", code)

    made = json.loads(run(*deciding("api-keys", "create", "shop", "--scopes", "users,debits", "--json")))
    assert keys.read(made["key"])
    said = run(*deciding("api-keys", "rotate", "shop", "--keep-old", "7d"))
    assert said.splitlines()[-1].startswith("amk_")
    listed = run("api-keys", "list")
    assert "works until" in listed
    assert "never used" in listed
    assert made["key"] not in listed
    assert f"Key {made['key_id']} works no longer." in run(*deciding("api-keys", "revoke", made["key_id"]))
    assert "ended" in run("api-keys", "list")
    run(
        "api-keys",
        "create",
        "other",
        "--scopes",
        "all",
        "--reason",
        "x",
        "--by",
        "x",
        "--code",
        "x",
        status=2,
    )
