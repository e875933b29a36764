"""The profile's section for operators: a code is sent to the page once, and no page state keeps it."""

import json
import re

import psycopg
import pytest

from onramp_app.domain.errors import Forbidden
from onramp_app.operators import codes
from onramp_app.web.profile.state import ProfileState
from tests.web.conftest import cookie_of

HANDLERS = ProfileState.event_handlers
CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}")


@pytest.fixture
async def tab(new_account, open_tab, database):
    session = await new_account()
    with psycopg.connect(database) as owner:
        owner.execute("UPDATE users SET role = 'operator' WHERE id = %s", (session.viewer.user_id,))
    tab = open_tab(cookie_of(session))
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    return tab


def _sent(delta) -> str:
    return json.dumps(delta, default=str)


async def test_a_code_goes_to_the_page_once_and_stays_nowhere(tab):
    made = await tab.send(HANDLERS["make_operator_code"])
    (code,) = CODE.findall(_sent(made.delta))
    profile = await tab.state(ProfileState)
    assert profile.operator_code == ""
    assert profile.operator_code_until
    assert code.encode() not in profile._serialize()
    profile.operator_code = code
    assert code.encode() in profile._serialize(), "the control: there it would be"
    profile.operator_code = ""
    tab.root._clean()
    assert code not in _sent((await tab.hydrate()).delta)
    assert code not in _sent((await tab.send(HANDLERS["load"])).delta)
    assert profile.security_lines[0].what == "Operator code made"


async def test_an_operator_sees_that_a_wrong_code_was_tried_in_their_name(tab):
    await tab.send(HANDLERS["make_operator_code"])
    viewer = await (await tab.state(ProfileState))._viewer()
    with pytest.raises(Forbidden):
        await codes.refuse_wrong(viewer.user_id, "00000-00000")
    await tab.send(HANDLERS["load"])
    newest = (await tab.state(ProfileState)).security_lines[0]
    assert (newest.what, newest.where) == ("Someone tried a wrong operator code in your name", "")


async def test_a_code_leaves_the_page_with_a_new_visit(tab):
    await tab.send(HANDLERS["make_operator_code"])
    tab.root._clean()
    delta = (await tab.send(HANDLERS["load"])).delta
    sent = {name: value for values in delta.values() for name, value in values.items()}
    (cleared,) = [value for name, value in sent.items() if name.startswith("operator_code_rx")]
    assert cleared == ""


async def test_who_signed_in_a_while_ago_is_asked_for_a_proof(tab, database):
    with psycopg.connect(database) as owner:
        owner.execute("UPDATE auth_sessions SET proved_at = proved_at - interval '16 minutes'")
    made = await tab.send(HANDLERS["make_operator_code"])
    assert CODE.findall(_sent(made.delta)) == []
    assert (await tab.state(ProfileState)).needs_proof


async def test_only_operators_are_offered_a_code_and_get_one(new_account, open_tab, database):
    tab = open_tab(cookie_of(await new_account()))
    await tab.hydrate()
    await tab.send(HANDLERS["load"])
    assert not (await tab.state(ProfileState)).is_operator
    made = await tab.send(HANDLERS["make_operator_code"])
    assert CODE.findall(_sent(made.delta)) == []
    with psycopg.connect(database) as owner:
        assert owner.execute("SELECT count(*) FROM operator_codes").fetchone() == (0,)


async def test_too_many_codes_are_refused_in_words(tab):
    for _ in range(31):
        made = await tab.send(HANDLERS["make_operator_code"])
    assert CODE.findall(_sent(made.delta)) == []
    assert (await tab.state(ProfileState)).operator_code_problem
