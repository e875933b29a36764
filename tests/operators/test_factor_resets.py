"""Lost factors: an operator requests their removal, and the owner has a day to stop it."""

from datetime import timedelta

import psycopg
import pytest

from onramp_app.accounts import program_sessions
from onramp_app.accounts.sessions import Client
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import Forbidden
from onramp_app.factors import factors
from onramp_app.factors.errors import OtpRequired
from onramp_app.operators import codes
from onramp_app.operators.errors import ActionNotPossible, FactorRequired
from onramp_app.operators.factor_resets import ask_reset
from onramp_app.operators.mandate import Mandate
from onramp_app.recovery import passwords, requests
from onramp_app.sign_in import second_factor, sign_in
from tests import rows
from tests.desk import REASON, Desk
from tests.factors.authenticator import code_of
from tests.mailed import mailed, secret_in
from tests.people import PASSWORD, operator_code, sign_up

NEW = "another calm evening 7"
CLIENT = Client("203.0.113.7", "program/1")


async def _person_with_app() -> tuple[program_sessions.ProgramSession, str]:
    opened = await sign_up(program_sessions.open_program, CLIENT)
    made = await second_factor.begin_authenticator(opened.viewer)
    await second_factor.confirm_authenticator(opened.viewer, code_of(made.secret), client=CLIENT)
    return opened, made.secret


async def _sign_in(email: str, code: str = "") -> None:
    await sign_in.sign_in(email, PASSWORD, CLIENT, program_sessions.open_program, code=code)


async def _has_factor(user_id: str) -> bool:
    async with transaction() as db:
        return await factors.has_factor(db, user_id)


def _let_a_day_pass(owner: psycopg.Connection) -> None:
    owner.execute(
        "UPDATE factor_resets SET asked_at = asked_at - %s, due_at = due_at - %s", (timedelta(days=1),) * 2
    )


async def test_lost_factors_are_gone_a_day_after_an_operator_asked(desk: Desk) -> None:
    person, _secret = await _person_with_app()
    email, user_id = person.viewer.email, person.viewer.user_id
    asked = await ask_reset(email, mandate=desk.mandate)
    assert ("factors_reset_asked", email) in mailed(desk.books.owner)
    with pytest.raises(OtpRequired):
        await _sign_in(email)
    with pytest.raises(ActionNotPossible):
        await ask_reset(email, mandate=desk.mandate)
    _let_a_day_pass(desk.books.owner)
    await _sign_in(email)
    assert not await _has_factor(user_id)
    acts = desk.books.owner.execute(
        "SELECT action FROM audit_log WHERE subject = %s ORDER BY at DESC LIMIT 2", (asked.user_id,)
    ).fetchall()
    assert ("factors.reset",) in acts
    with pytest.raises(ActionNotPossible):
        await ask_reset(email, mandate=desk.mandate)


async def test_any_sign_in_with_the_factor_stops_it(desk: Desk) -> None:
    person, secret = await _person_with_app()
    email = person.viewer.email
    await ask_reset(email, mandate=desk.mandate)
    await _sign_in(email, code_of(secret, steps=1))
    _let_a_day_pass(desk.books.owner)
    with pytest.raises(OtpRequired):
        await _sign_in(email)
    assert await _has_factor(person.viewer.user_id)


async def _link_to_set_a_password(desk: Desk, email: str) -> str:
    await requests.ask(email, CLIENT)
    await requests.answer_some()
    return secret_in(desk.books.owner, "reset_password", to=email)


async def test_who_lost_phone_and_password_comes_back_a_day_after_the_operator_asked(desk: Desk) -> None:
    person, _secret = await _person_with_app()
    email = person.viewer.email
    desk.books.owner.execute("UPDATE users SET email_confirmed_at = now() WHERE email = %s", (email,))
    await ask_reset(email, mandate=desk.mandate)
    link = await _link_to_set_a_password(desk, email)
    with pytest.raises(OtpRequired):
        await passwords.reset(link, NEW, CLIENT)  # the owner's day has not passed yet
    assert await _has_factor(person.viewer.user_id)
    _let_a_day_pass(desk.books.owner)
    await passwords.reset(link, NEW, CLIENT)
    assert not await _has_factor(person.viewer.user_id)
    opened = await sign_in.sign_in(email, NEW, CLIENT, program_sessions.open_program)
    assert opened.viewer.user_id == person.viewer.user_id


async def test_nobody_asks_for_themselves(desk: Desk) -> None:
    person, _secret = await _person_with_app()
    user_id = person.viewer.user_id
    rows.grant_role(desk.books.owner, user_id, "admin")
    code = operator_code(desk.books.owner, user_id)
    with pytest.raises(Forbidden):
        await ask_reset(person.viewer.email, mandate=Mandate(user_id, REASON, code))


async def test_operators_make_codes_with_a_second_factor_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await sign_up(program_sessions.open_program, CLIENT)
    rows.grant_role(desk.books.owner, opened.viewer.user_id, "operator")
    async with transaction() as db:
        user = await db.get_one(sign_in.User, opened.viewer.user_id)
        viewer = second_factor.sessions.viewer_of(user, opened.viewer.session_id)
    assert (await codes.make(viewer, address="")).code, "outside production"
    monkeypatch.setenv("REQUIRE_OPERATOR_FACTOR", "true")
    get_settings.cache_clear()
    with pytest.raises(FactorRequired):
        await codes.make(viewer, address="")
    made = await second_factor.begin_authenticator(viewer)
    await second_factor.confirm_authenticator(viewer, code_of(made.secret), client=CLIENT)
    assert (await codes.make(viewer, address="")).code
