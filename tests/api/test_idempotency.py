"""`Idempotency-Key` on `POST /api/top-ups`: one top-up per key, even for concurrent requests."""

import asyncio
import json
from collections import Counter

import pytest

from onramp_app import idempotency
from onramp_app.idempotency import Claim, IdempotencyInProgress, KeptAnswer
from onramp_app.throttle import throttle
from tests.money import WANTED, Wallet, assert_problem
from tests.people import Person


async def test_a_repeat_gets_the_first_answer(wallet: Wallet, ada: Person) -> None:
    first = await wallet.create(ada, key="one")
    assert first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    wallet.run("UPDATE top_ups SET status = 'expired'")
    again = await wallet.create(ada, key="one")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert wallet.count("top_ups") == 1


async def test_spaces_and_the_order_of_members_do_not_matter(wallet: Wallet, ada: Person) -> None:
    first = await wallet.create(ada, key="one")
    body = json.dumps(dict(reversed(WANTED.items())), indent=3)
    headers = {**ada.headers, "Idempotency-Key": "one"}
    again = await wallet.client.post("/api/top-ups", content=body, headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


@pytest.mark.parametrize("changes", [{"fiat_amount": "1000.0"}, {"country": "IN"}, {"fiat_amount": 1000}])
async def test_another_body_is_a_conflict(wallet: Wallet, ada: Person, changes: dict[str, object]) -> None:
    await wallet.create(ada, key="one")
    assert_problem(await wallet.create(ada, key="one", **changes), 409, "idempotency_conflict")
    assert wallet.count("top_ups") == 1


async def test_a_refusal_is_kept_too(wallet: Wallet, ada: Person) -> None:
    first = await wallet.create(ada, key="one", fiat_amount="1")
    again = await wallet.create(ada, key="one", fiat_amount="1")
    assert_problem(again, 422, "amount_out_of_limits")
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    shapeless = await wallet.create(ada, key="two", fiat_amount=1000)
    again = await wallet.create(ada, key="two", fiat_amount=1000)
    assert (again.content, again.headers["idempotency-replayed"]) == (shapeless.content, "true")


async def test_what_passes_is_not_kept(wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "TOP_UP", throttle.REFRESH)  # 30 a minute
    wallet.simulator.scenario("api_down", times=None)
    assert_problem(await wallet.create(ada, key="one"), 503, "provider_unavailable")
    assert wallet.count("idempotency_keys") == 0
    wallet.simulator.control("scenario", method="DELETE")
    for _ in range(29):
        last = await wallet.create(ada, key="two", asset="BTC")
        wallet.run("DELETE FROM idempotency_keys")
    assert_problem(await wallet.create(ada, key="three"), 429, "rate_limited")
    assert (last.status_code, wallet.count("idempotency_keys")) == (422, 0)


async def test_a_key_belongs_to_one_person_and_one_day(wallet: Wallet, ada: Person, bo: Person) -> None:
    first = await wallet.create(ada, key="one")
    other = await wallet.create(bo, key="one", fiat_amount="2000")
    assert (first.status_code, other.status_code) == (201, 201)
    wallet.run("UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'")
    later = await wallet.create(ada, key="one", fiat_amount="3000")
    assert later.status_code == 201
    assert wallet.count("top_ups") == 3


async def test_a_key_is_visible_ascii(wallet: Wallet, ada: Person) -> None:
    for key in (b"", b" ", b"a b", b"x" * 65, b"\xc3\xa9", b"a\x7f"):
        headers = [(b"Authorization", ada.headers["Authorization"].encode()), (b"Idempotency-Key", key)]
        answer = await wallet.client.post("/api/top-ups", json=dict(WANTED), headers=headers)
        assert_problem(answer, 422, "validation_failed")
    assert (await wallet.create(ada, key="~!" * 32)).status_code == 201


async def test_the_first_request_still_being_worked_on_is_told(wallet: Wallet, ada: Person) -> None:
    await wallet.created(ada, fiat_amount="2000")  # Equal quotes are shared for a while, and would be quick.
    wallet.simulator.scenario("api_slow", value="0.5", times=None)
    first = asyncio.create_task(wallet.create(ada, key="one"))
    await asyncio.sleep(0.25)
    assert_problem(await wallet.create(ada, key="one"), 409, "idempotency_in_progress")
    assert_problem(await wallet.create(ada, key="one", fiat_amount="7"), 409, "idempotency_conflict")
    assert (await first).status_code == 201
    assert (await wallet.create(ada, key="one")).content == (await first).content


async def _race(wallet: Wallet, person: Person, *, requests: int = 32) -> Counter[int]:
    # Only five may be open at a time; beyond that, another refusal would hide duplicate top-ups.
    answers = await asyncio.gather(*(wallet.create(person, key="raced") for _ in range(requests)))
    bodies = {answer.content for answer in answers if answer.status_code == 201}
    assert len(bodies) >= 1
    return Counter(answer.status_code for answer in answers)


async def test_of_32_requests_at_once_one_makes_a_top_up(wallet: Wallet, ada: Person) -> None:
    counts = await _race(wallet, ada)
    assert set(counts) <= {201, 409}
    assert wallet.count("top_ups") == 1


@pytest.mark.full
async def test_control_looking_before_claiming_makes_several(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_only(user_id: str, key: str, *, request_hash: bytes) -> Claim | KeptAnswer:
        found = wallet.rows("SELECT status, body FROM idempotency_keys WHERE key = %s", key)
        await asyncio.sleep(0)
        return KeptAnswer(*found[0]) if found else Claim(user_id, key, "unused")  # type: ignore[arg-type]

    async def keep_blindly(_db: object, held: Claim, answer: KeptAnswer) -> None:
        wallet.run(
            "INSERT INTO idempotency_keys (user_id, key, request_hash, status, body, created_at)"
            " VALUES (%s, %s, sha256(''), %s, %s, now()) ON CONFLICT DO NOTHING",
            *(held.user_id, held.key, answer.status, answer.body),
        )

    monkeypatch.setattr(idempotency, "claim", look_only)
    monkeypatch.setattr(idempotency, "keep", keep_blindly)
    await _race(wallet, ada)
    assert wallet.count("top_ups") > 1


async def test_a_request_that_died_is_taken_over_and_a_late_one_acts_on_nothing(
    wallet: Wallet, ada: Person
) -> None:
    await wallet.created(ada, fiat_amount="2000")  # Equal quotes are shared for a while, and would be quick.
    wallet.simulator.scenario("api_slow", value="0.5", times=1)
    late = asyncio.create_task(wallet.create(ada, key="one"))
    await asyncio.sleep(0.25)
    wallet.run("UPDATE idempotency_keys SET created_at = created_at - interval '3 minutes'")
    taken_over = await wallet.create(ada, key="one")
    assert taken_over.status_code == 201
    assert_problem(await late, 409, "idempotency_in_progress")
    assert wallet.count("top_ups") == 2  # the first one, and the one of the key
    assert (await wallet.create(ada, key="one")).content == taken_over.content


async def test_a_canceled_request_gives_its_key_back(wallet: Wallet, ada: Person) -> None:
    await wallet.created(ada, fiat_amount="2000")  # Equal quotes are shared for a while, and would be quick.
    wallet.simulator.scenario("api_slow", value="0.5", times=1)
    gone = asyncio.create_task(wallet.create(ada, key="one"))
    await asyncio.sleep(0.25)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert wallet.count("idempotency_keys") == 0
    assert (await wallet.create(ada, key="one")).status_code == 201


async def test_a_claim_is_kept_by_its_holder_only(wallet: Wallet, ada: Person) -> None:
    held = await idempotency.claim(ada.id, "one", request_hash=bytes(32))
    assert isinstance(held, Claim)
    stranger = Claim(ada.id, "one", held.claimed_at.replace(year=2020))
    await idempotency.give_up(stranger)
    with pytest.raises(IdempotencyInProgress):
        await idempotency.keep_refusal(stranger, KeptAnswer(422, "{}"))
    await idempotency.keep_refusal(held, KeptAnswer(422, "{}"))
    assert await idempotency.claim(ada.id, "one", request_hash=bytes(32)) == KeptAnswer(422, "{}")
