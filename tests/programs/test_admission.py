"""A program is admitted with a valid key, from an allowed network, within the key's scopes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from onramp_app.domain.errors import Forbidden, NotFound, RateLimited, Unauthenticated
from onramp_app.programs import keys, people
from onramp_app.programs.admission import admit
from onramp_app.programs.errors import InsufficientScope
from onramp_app.programs.words import Scope
from tests import rows
from tests.rows import Owner

HERE = "203.0.113.8"


async def _admit(key: str, *, address: str = HERE, scope: Scope = Scope.DEBITS) -> str:
    return (await admit(key, scope=scope, address=address)).id


async def test_a_key_lets_its_program_in(owner: Owner) -> None:
    program_id, key = rows.program(owner, name="shop", scopes=["debits", "users"])
    program = await admit(key, scope=Scope.USERS, address=HERE)
    assert (program.id, program.name, program.address) == (program_id, "shop", HERE)
    assert program.scopes == {Scope.DEBITS, Scope.USERS}
    assert program.key_id in key


async def test_a_key_without_the_scope_is_refused_by_name(owner: Owner) -> None:
    _, key = rows.program(owner, scopes=["users"])
    with pytest.raises(InsufficientScope) as refused:
        await _admit(key)
    assert refused.value.extra == {"scope": "debits"}


async def test_what_is_no_key_or_none_that_works_gets_one_answer(owner: Owner) -> None:
    now = datetime.now(UTC)
    _, ended = rows.program(owner, made_at=now - timedelta(days=2), ends_at=now)
    program_id, key = rows.program(owner)
    given = keys.read(key)
    assert given is not None
    wrong = [
        ended,
        keys.written(given.key_id, keys.new_secret()),
        keys.written("0" * 32, given.secret),
        key[:-1] + ("1" if key[-1] == "0" else "0"),
        key + "0",
        key.upper(),
        "",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        "amk_" + "\u0660" * 81,
    ]
    said = set()
    for text in wrong:
        with pytest.raises(Unauthenticated) as refused:
            await _admit(text)
        said.add(refused.value.detail)
    assert len(said) == 1
    assert await _admit(key) == program_id


async def test_guessing_is_slowed_and_keeps_nobody_out(owner: Owner) -> None:
    program_id, key = rows.program(owner)
    for _ in range(30):
        with pytest.raises(Unauthenticated):
            await _admit(keys.written("0" * 32, keys.new_secret()))
    with pytest.raises(RateLimited):
        await _admit(keys.written("0" * 32, keys.new_secret()))
    assert await _admit(key) == program_id, "the owner shares the guesser's network"


async def test_a_key_works_from_its_networks_only(owner: Owner) -> None:
    program_id, key = rows.program(owner, networks=["203.0.113.0/24", "2001:db8::/48"])
    for address in (HERE, "2001:db8::7", "::ffff:203.0.113.9"):
        assert await _admit(key, address=address) == program_id
    for address in ("203.0.114.1", "10.0.0.1", "", "unknown"):
        with pytest.raises(Forbidden):
            await _admit(key, address=address)
    lines = owner.execute("SELECT action, subject, address FROM audit_log ORDER BY at, id").fetchall()
    assert lines[0] == ("api_key.refused", program_id, "203.0.114.1"), "a stolen key shows"
    (used,) = owner.execute("SELECT last_used_from FROM api_keys").fetchone() or ()
    assert used == HERE, "what was refused is no use"


async def test_the_last_use_is_written_once_a_minute(owner: Owner) -> None:
    _, key = rows.program(owner)
    await asyncio.gather(*(_admit(key) for _ in range(8)))
    count = "SELECT last_used_at, last_used_from, xmin::text FROM api_keys"
    first = owner.execute(count).fetchone()
    await _admit(key, address="198.51.100.1")
    assert owner.execute(count).fetchone() == first
    owner.execute("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    await _admit(key, address="198.51.100.1")
    (used_at, used_from, _) = owner.execute(count).fetchone() or ()
    assert used_from == "198.51.100.1"
    assert datetime.now(UTC) - used_at < timedelta(seconds=20)


async def test_all_keys_of_a_program_share_its_rate(owner: Owner) -> None:
    program_id, key = rows.program(owner, requests_per_minute=3)
    second = rows.api_key(owner, program_id, requests_per_minute=3)
    _, other = rows.program(owner, requests_per_minute=3)
    for one in (key, second, key):
        await _admit(one)
    for one in (key, second):
        with pytest.raises(RateLimited) as refused:
            await _admit(one)
        assert 0 < (refused.value.retry_after_seconds or 0) <= 60
    await _admit(other)


async def test_the_work_of_a_refusal_does_not_say_what_is_wrong(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same query and the same comparison are made whether the key's id is known or not."""
    _, key = rows.program(owner)
    given = keys.read(key)
    assert given is not None
    compared: list[int] = []
    compare = keys.hmac.compare_digest
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: compared.append(len(a)) or compare(a, b))
    work = []
    for text in (keys.written(given.key_id, keys.new_secret()), keys.written("f" * 32, given.secret)):
        compared.clear()
        with pytest.raises(Unauthenticated):
            await _admit(text)
        work.append(list(compared))
    assert work[0] == work[1] == [6, 32]


def test_keys_are_long_random_and_recognised() -> None:
    made = {keys.written("0" * 32, keys.new_secret()) for _ in range(200)}
    assert len(made) == 200
    assert {len(key) for key in made} == {85}
    assert all(key.startswith("amk_") and keys.read(key) for key in made)


def test_a_mistyped_key_is_found_without_asking_the_database() -> None:
    key = keys.written("0" * 32, keys.new_secret())
    for place in range(36, len(key)):
        changed = key[:place] + ("0" if key[place] != "0" else "1") + key[place + 1 :]
        assert keys.read(changed) is None


async def test_a_program_finds_its_own_people_only(owner: Owner) -> None:
    program_id, key = rows.program(owner)
    other_id, _ = rows.program(owner)
    mine, theirs, nobodys = (rows.user(owner) for _ in range(3))
    rows.program_user(owner, program_id, mine, external_id="a-1")
    rows.program_user(owner, other_id, theirs, external_id="a-1")
    program = await admit(key, scope=Scope.DEBITS, address=HERE)
    assert (await people.get(program, mine)).external_id == "a-1"
    for user_id in (theirs, nobodys, "0" * 32, "a-1", "", "\x00"):
        with pytest.raises(NotFound):
            await people.get(program, user_id)
