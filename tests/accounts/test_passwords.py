"""How passwords are hashed, verified, and refused when weak."""

import asyncio
import contextlib
import importlib.metadata
import time

import pytest
from passlib.hash import argon2
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from onramp_app.accounts import passwords
from onramp_app.accounts.passwords import check_new_password, hash_password, verify_password
from onramp_app.domain.errors import RateLimited, ValidationFailed
from onramp_app.domain.shares import TakenPlaces, asked_from

pytestmark = pytest.mark.usefixtures("production_password_cost")


def test_exactly_one_distribution_provides_passlib() -> None:
    providers = [
        distribution.metadata["Name"]
        for distribution in importlib.metadata.distributions()
        if any(str(file) == "passlib/__init__.py" for file in distribution.files or [])
    ]
    assert providers == ["libpass"]


async def test_a_password_is_kept_as_argon2id_with_the_recommended_cost() -> None:
    kept = await hash_password("violet-harbour-41")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept != await hash_password("violet-harbour-41")


async def test_only_the_right_password_is_right() -> None:
    kept = await hash_password("violet-harbour-41")
    assert await verify_password("violet-harbour-41", kept) == (True, None)
    for wrong in ("violet-harbour-42", "", "Violet-harbour-41", "violet-harbour-41\0", "x" * 129):
        assert (await verify_password(wrong, kept))[0] is False


async def test_no_password_opens_an_account_that_does_not_exist() -> None:
    assert (await verify_password("the password of no account", None))[0] is False


async def test_a_hash_of_older_parameters_is_right_and_replaced() -> None:
    old = argon2.using(type="ID", memory_cost=8192, time_cost=1, parallelism=1).hash("violet-harbour-41")
    is_right, new = await verify_password("violet-harbour-41", old)
    assert is_right
    assert new is not None
    assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verify_password("violet-harbour-41", new) == (True, None)
    assert await verify_password("wrong", old) == (False, None)


@pytest.mark.parametrize(
    "password", ["1234567", "x" * 129, "password", "iloveyou", "11111111", "aaaaaaaa" * 16]
)
async def test_a_password_that_anybody_would_try_is_refused(password: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        await check_new_password(password, field="password", personal=())
    assert [error.field for error in refusal.value.errors] == ["password"]


@pytest.mark.parametrize("every", [97, pytest.param(1, marks=pytest.mark.full)])
async def test_none_of_those_that_leaked_most_often_is_accepted_though_no_service_is_asked(
    every: int,
) -> None:
    long_enough = [one for one in FREQUENCY_LISTS["passwords"] if len(one) >= passwords.MIN_LENGTH]
    assert len(long_enough) == 11_611
    accepted = []
    for password in [
        *long_enough[::every],
        "Q1W2e3r4t5y6u7i8o9p0",
    ]:  # The last one is leaked too, though its ends alone look hard to guess.
        with contextlib.suppress(ValidationFailed):
            await check_new_password(password, field="password", personal=())
            accepted.append(password)
    assert accepted == []


@pytest.mark.parametrize(
    "password", ["violet-harbour-41", "đồng hồ báo thức", "🐙🦑🦐🦞🦀🐡🐠🐟", "kx7$" * 3 + "q" * 100]
)
async def test_any_characters_make_a_good_password(password: str) -> None:
    await check_new_password(password, field="password", personal=())


async def test_a_hostile_long_password_is_judged_in_bounded_time() -> None:
    hostile = "4@8({[<369!|10$57+2%x" * 6
    started = time.perf_counter()
    zxcvbn(hostile[:48])
    unbounded = time.perf_counter() - started
    started = time.perf_counter()
    await check_new_password(hostile, field="password", personal=("a" * 254, "Zb4%" * 60))
    assert time.perf_counter() - started < unbounded / 2


async def test_a_weak_beginning_does_not_spoil_a_long_password() -> None:
    await check_new_password("passwordpassword kx7 violet harbour", field="password", personal=())


async def _refused_of_a_burst() -> list[RateLimited]:
    kept = await hash_password("violet-harbour-41")
    burst = [verify_password("violet-harbour-41", kept) for _ in range(60)]
    answers = await asyncio.gather(*burst, return_exceptions=True)
    assert [answer for answer in answers if not isinstance(answer, RateLimited)].count((True, None)) > 0
    return [answer for answer in answers if isinstance(answer, RateLimited)]


async def test_a_burst_waits_up_to_a_limit_and_the_rest_is_told_to_come_back() -> None:
    refused = await _refused_of_a_burst()
    assert len(refused) == 60 - 34
    assert {error.retry_after_seconds for error in refused} == {2}
    assert len(await _refused_of_a_burst()) == 60 - 34, "the places are free again"


async def test_a_burst_of_one_network_leaves_half_of_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await hash_password("violet-harbour-41")

    async def burst(network: str) -> int:
        with asked_from(network):
            calls = [asyncio.create_task(verify_password("violet-harbour-41", kept)) for _ in range(40)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
        return answers.count((True, None))

    assert await asyncio.gather(burst("203.0.113.9"), burst("198.51.100.7")) == [17, 17]
    monkeypatch.setattr(TakenPlaces, "is_spent", lambda *_: False)
    assert await asyncio.gather(burst("203.0.113.9"), burst("198.51.100.7")) == [34, 0], "the control"


@pytest.mark.full
async def test_without_the_limit_a_burst_waits_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control for the test above."""
    monkeypatch.setattr(passwords.EVERYBODY, "places", 1000)
    assert await _refused_of_a_burst() == []


async def test_a_place_is_free_again_after_its_caller_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords.EVERYBODY, "places", 3)
    for _ in range(4):
        leaving = [asyncio.create_task(hash_password("violet-harbour-41")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.sleep(0.3)
    assert await hash_password("violet-harbour-41")


async def test_half_of_a_surrogate_pair_is_no_password() -> None:
    kept = await hash_password("violet-harbour-41")
    assert await verify_password("violet-harbour-\ud800", kept) == (False, None)
    with pytest.raises(ValidationFailed) as refusal:
        await check_new_password("violet-harbour-\ud800", field="password", personal=())
    assert [error.field for error in refusal.value.errors] == ["password"]


async def test_no_password_has_the_hash_of_nobody() -> None:
    first, second = passwords.useless_hash(), passwords.useless_hash()
    assert first != second
    assert await passwords.verify_password("the password of no account", first) == (False, None)
    ordinary = await passwords.hash_password("violet-harbour-41")
    assert [passwords.is_useless(one) for one in (first, second, ordinary)] == [True, True, False]
    assert [len(part) for part in first.split("$")] == [len(part) for part in ordinary.split("$")]
