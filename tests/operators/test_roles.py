"""Granting roles: anybody who can run commands creates the first admin; after that only admins can."""

import asyncio

import pytest

from onramp_app.accounts.words import Role
from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.roles import grant_role
from tests import rows
from tests.desk import Desk


def _email(user_id: str) -> str:
    return f"{user_id}@example.org"


def _roles(desk: Desk, *user_ids: str) -> list[str]:
    query = "SELECT role FROM users WHERE id = %s"
    return [desk.books.owner.execute(query, (user_id,)).fetchone()[0] for user_id in user_ids]


async def test_the_first_admin_is_made_by_a_command_and_later_ones_by_an_admin(desk: Desk) -> None:
    first, second = desk.confirmed(), desk.confirmed()
    await grant_role(_email(first), Role.ADMIN)
    with pytest.raises(Forbidden, match="There is an admin"):
        await grant_role(_email(second), Role.OPERATOR)
    with pytest.raises(Forbidden, match="is not an admin"):
        await grant_role(_email(second), Role.OPERATOR, mandate=desk.mandate)
    await grant_role(_email(second), Role.OPERATOR, mandate=desk.mandate_of(first))
    assert _roles(desk, first, second) == ["admin", "operator"]
    with pytest.raises(ActionNotPossible, match="has this role already"):
        await grant_role(_email(second), Role.OPERATOR, mandate=desk.mandate_of(first))
    assert desk.grants()[-2:] == [
        ("command", "account.role_granted", first),
        (first, "account.role_granted", second),
    ]


async def test_nobody_gets_power_by_an_address_that_they_never_proved(desk: Desk) -> None:
    owner = desk.books.owner
    stranger, admin = rows.user(owner), desk.operator("admin")
    for role in (Role.OPERATOR, Role.ADMIN):
        with pytest.raises(ActionNotPossible, match="was never confirmed"):
            await grant_role(_email(stranger), role, mandate=desk.mandate_of(admin))
    assert _roles(desk, stranger) == ["user"]
    owner.execute("UPDATE users SET email_confirmed_at = now() WHERE id = %s", (stranger,))
    await grant_role(_email(stranger), Role.OPERATOR, mandate=desk.mandate_of(admin))
    owner.execute("UPDATE users SET email_confirmed_at = NULL WHERE id = %s", (stranger,))
    await grant_role(_email(stranger), Role.USER, mandate=desk.mandate_of(admin))
    assert _roles(desk, stranger) == ["user"], "power is taken away in any case"


async def test_the_first_admin_has_proved_their_address_too(desk: Desk) -> None:
    stranger = rows.user(desk.books.owner)
    with pytest.raises(ActionNotPossible, match="was never confirmed"):
        await grant_role(_email(stranger), Role.ADMIN)
    assert _roles(desk, stranger) == ["user"]


async def test_of_two_first_admins_at_once_one_is_made(desk: Desk) -> None:
    users = [desk.confirmed() for _ in range(4)]
    outcomes = await asyncio.gather(
        *(grant_role(_email(user), Role.ADMIN) for user in users), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == [*["Forbidden"] * 3, "str"]
    assert sorted(_roles(desk, *users)) == ["admin", "user", "user", "user"]


async def test_an_admin_is_left_when_two_take_the_role_from_each_other(desk: Desk) -> None:
    for _ in range(4):
        for (admin,) in desk.books.owner.execute("SELECT id FROM users WHERE role = 'admin'").fetchall():
            rows.grant_role(desk.books.owner, admin, "user")
        pair = [desk.operator("admin"), desk.operator("admin")]
        outcomes = await asyncio.gather(
            *(
                grant_role(_email(other), Role.USER, mandate=desk.mandate_of(own))
                for own, other in (pair, reversed(pair))
            ),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in outcomes) == ["Forbidden", "str"]
        assert sorted(_roles(desk, *pair)) == ["admin", "user"]


async def test_nobody_makes_the_second_pair_of_eyes_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "100"}')
    get_settings.cache_clear()
    admin, puppet = desk.operator("admin"), desk.confirmed()
    with pytest.raises(SecondOperatorNeeded) as needed:
        await grant_role(_email(puppet), Role.OPERATOR, mandate=desk.mandate_of(admin))
    with pytest.raises(SecondOperatorNeeded):
        await grant_role(_email(desk.operator_id), Role.USER, mandate=desk.mandate_of(admin))
    assert _roles(desk, puppet, desk.operator_id) == ["user", "operator"]
    confirmed = desk.mandate_of(desk.operator_id, confirms=needed.value.proposal)
    await grant_role(_email(puppet), Role.OPERATOR, mandate=confirmed)
    assert _roles(desk, puppet) == ["operator"]


async def test_where_nobody_could_confirm_it_an_admin_makes_the_second_operator_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "100"}')
    get_settings.cache_clear()
    rows.grant_role(desk.books.owner, desk.operator_id, "admin")
    user = desk.confirmed()
    await grant_role(_email(user), Role.OPERATOR, mandate=desk.mandate)
    assert _roles(desk, user) == ["operator"]
