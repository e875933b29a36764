"""The white-label line against the simulator: started with a phone, read by signed calls, with a history."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.provider_orders import walks
from onramp_app.providers.port import KycLink, KycMeaning
from onramp_app.throttle import throttle
from onramp_app.verification import reader, steps, white_label
from tests import rows
from tests.money import assert_problem
from tests.people import Person
from tests.signed_webhooks import PATH, signed
from tests.verification.conftest import PHONE, WHITE_LABEL, Identity, limit


async def test_a_person_is_verified_at_the_providers_page_and_then_adds_more(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, none={"per_top_up": "20"}, basic={"per_top_up": "100"}, full={"per_top_up": "1000"})
    wallet = identity.wallet
    problem = assert_problem(await wallet.create(ada, fiat_amount="4000"), 403, "kyc_required")
    assert problem["next_step"] == {"action": "start", "url": "http://localhost:3000/verify"}
    before = (await wallet.get(ada, "/api/kyc")).json()
    assert (before["status"], before["tier"], before["next_step"]["action"]) == ("none", "none", "start")
    url = await identity.started(ada)
    assert identity.standing(ada) == ("started", "none")
    await identity.read()
    identity.choose(url, "OTP_COMPLETED")
    assert (await identity.look(ada))["status"] == "started"
    identity.choose(url, "BASIC_KYC_COMPLETED")
    found = await identity.look(ada)
    assert (found["status"], found["tier"], found["next_step"]["action"]) == ("approved", "basic", "raise")
    assert (await wallet.get(ada, "/api/auth/me")).json()["kyc"] == {"status": "approved", "tier": "basic"}
    await wallet.created(ada, fiat_amount="4000")
    assert identity.history(ada) == [
        ("none none", "started none", "user", None),
        ("started none", "approved basic", "provider", "BASIC_KYC_COMPLETED"),
    ]
    identity.choose(await identity.started(ada, None), "ADVANCE_KYC_COMPLETED")
    found = await identity.look(ada)
    assert (found["status"], found["tier"], found["next_step"]) == ("approved", "full", None)
    assert_problem(await identity.start(ada), 409, "verification_not_startable")


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("BASIC_KYC_COMPLETED", ("approved", "basic")),
        ("INTERMEDIATE_KYC_COMPLETED", ("approved", "basic")),
        ("ADVANCE_KYC_COMPLETED", ("approved", "full")),
        ("EDD_COMPLETED", ("approved", "full")),
        ("COMPLETED", ("approved", "full")),
        ("IN_REVIEW", ("in_review", "none")),
        ("TEMPORARY_FAILED", ("resubmit", "none")),
        ("PERMANENT_FAILED", ("rejected", "none")),
    ],
)
async def test_each_word_of_the_provider_means_one_thing(
    identity: Identity, ada: Person, status: str, standing: tuple[str, str]
) -> None:
    await identity.started(ada)
    identity.change(identity.customer(ada)["customer_id"], status)
    await identity.read()
    assert identity.standing(ada) == standing
    assert identity.history(ada)[-1] == ("started none", " ".join(standing), "provider", status)


async def test_who_is_rejected_begins_nothing_and_cannot_try_again(identity: Identity, ada: Person) -> None:
    url = await identity.started(ada)
    identity.wallet.simulator.scenario("kyc_rejected")
    identity.choose(url, "OTP_COMPLETED", "BASIC_KYC_COMPLETED")
    await identity.read()
    assert identity.standing(ada) == ("rejected", "none")
    problem = assert_problem(await identity.wallet.create(ada), 403, "kyc_required")
    assert problem["next_step"]["action"] == "contact_support"
    assert_problem(await identity.start(ada), 403, "forbidden")
    assert identity.standing(ada) == ("rejected", "none")


async def test_who_was_asked_to_try_again_does(identity: Identity, ada: Person) -> None:
    url = await identity.started(ada)
    identity.wallet.simulator.scenario("kyc_resubmit")
    identity.choose(url, "OTP_COMPLETED", "BASIC_KYC_COMPLETED")
    await identity.read()
    found = await identity.look(ada)
    assert (found["status"], found["next_step"]["action"]) == ("resubmit", "try_again")
    identity.choose(await identity.started(ada, None), "BASIC_KYC_COMPLETED")
    assert (await identity.look(ada))["tier"] == "basic"


async def test_a_slow_check_is_in_review_until_it_ends(identity: Identity, ada: Person) -> None:
    url = await identity.started(ada)
    identity.wallet.simulator.scenario("kyc_slow", value="0.3")
    identity.choose(url, "OTP_COMPLETED", "BASIC_KYC_COMPLETED")
    await identity.read()
    assert identity.standing(ada) == ("in_review", "none")
    assert_problem(await identity.start(ada), 409, "verification_not_startable")
    await asyncio.sleep(0.4)
    assert (await identity.look(ada))["tier"] == "basic"


async def test_a_start_repeated_is_the_same_verification(identity: Identity, ada: Person) -> None:
    first = await identity.started(ada)
    again = await identity.started(ada, None)
    assert first == again
    assert identity.wallet.count("verification_customers") == 1
    assert identity.history(ada) == [("none none", "started none", "user", None)]


async def test_a_mistyped_number_can_be_replaced_until_somebody_signs_in(
    identity: Identity, ada: Person
) -> None:
    await identity.started(ada, "+91 88888 88888")
    mistyped = identity.customer(ada)["customer_id"]
    url = await identity.started(ada)
    assert identity.customer(ada)["customer_id"] != mistyped
    assert identity.customer(ada)["is_proven"]
    identity.choose(url, "OTP_COMPLETED")
    await identity.read()
    now = identity.customer(ada)["customer_id"]
    await identity.started(ada, "+91 77777 77777")
    assert identity.customer(ada)["customer_id"] == now, "the number is fixed once somebody has signed in"


@pytest.mark.parametrize("phone", [None, "", "12", "+91", "+999 12345678"])
async def test_a_start_needs_a_phone_that_can_be_one(
    identity: Identity, ada: Person, phone: str | None
) -> None:
    assert_problem(await identity.start(ada, phone), 422, "validation_failed")
    assert identity.standing(ada) == ("none", "none")


async def test_starts_are_counted(identity: Identity, ada: Person) -> None:
    for n in range(5):
        await identity.started(ada, f"+91 99999 0000{n}")
    assert_problem(await identity.start(ada, "+91 99999 00009"), 429, "rate_limited")
    assert throttle.VERIFY_PHONE[0].amount == 5
    await identity.started(ada, None)


async def test_the_provider_being_away_changes_nothing(identity: Identity, ada: Person) -> None:
    identity.wallet.simulator.scenario("api_down", times=None)
    answer = await identity.start(ada)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert (identity.standing(ada), identity.history(ada)) == (("none", "none"), [])


# Somebody else's phone


async def test_somebody_elses_phone_never_brings_their_approval(
    identity: Identity, ada: Person, bo: Person
) -> None:
    identity.choose(await identity.started(bo), "OTP_COMPLETED", "ADVANCE_KYC_COMPLETED")
    await identity.read()
    assert identity.standing(bo) == ("approved", "full")
    assert_problem(await identity.start(ada), 409, "phone_taken")
    await identity.read()
    assert identity.standing(ada) == ("none", "none")
    assert identity.customer(ada)["customer_id"] is None
    assert identity.standing(bo) == ("approved", "full")


def _known_elsewhere(identity: Identity) -> str:
    """Create a customer verified for another merchant, with the phone that Ada will type. Returns its id."""
    body = {
        "email": "carol@elsewhere.example",
        "phoneNumber": "+91-9999999999",
        "clientCustomerId": "another merchant's",
        "type": "INDIVIDUAL",
    }
    customer_id = str(identity.wallet.simulator.data(f"{WHITE_LABEL}/kyc/url", body)["customerId"])
    identity.change(customer_id, "COMPLETED")
    return customer_id


async def test_a_customer_known_before_counts_by_an_operator_only(identity: Identity, ada: Person) -> None:
    customer_id = _known_elsewhere(identity)
    problem = assert_problem(await identity.start(ada), 409, "verification_not_startable")
    assert "already" in problem["detail"]
    assert "url" not in problem
    assert "carol" not in json.dumps(problem)
    assert identity.standing(ada) == ("in_review", "none")
    bound = identity.customer(ada)
    assert (bound["customer_id"], bound["is_proven"], bound["is_due"]) == (customer_id, False, False)
    # Nothing that happens at the provider afterwards affects Ada: no read, no visit, no webhook.
    identity.change(customer_id, "COMPLETED")
    await _hint(identity, bound["client_customer_id"], "COMPLETED")
    assert await walks.handle_events() == 1
    await identity.look(ada)
    assert (identity.standing(ada), await identity.read()) == (("in_review", "none"), 0)
    assert_problem(await identity.start(ada), 409, "verification_not_startable")


async def test_control_a_line_that_trusts_the_phone_would_give_the_approval_away(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: whoever types a number is taken for the person the provider knows by it."""
    new_customer = white_label._new_customer

    async def trusting(*arguments: Any) -> tuple[Any, bool]:
        link, _is_proven = await new_customer(*arguments)
        return link, True

    monkeypatch.setattr(white_label, "_new_customer", trusting)
    _known_elsewhere(identity)
    await identity.started(ada)
    await identity.read()
    assert identity.standing(ada) == ("approved", "full")


async def test_a_claim_of_a_known_number_keeps_nobody_out(
    identity: Identity, ada: Person, bo: Person
) -> None:
    """Ada types a number that the provider knows; the number's owner still gets as far as she does."""
    _known_elsewhere(identity)
    for person in (ada, bo):
        assert_problem(await identity.start(person), 409, "verification_not_startable")
        assert identity.standing(person) == ("in_review", "none")


async def test_an_answer_that_was_lost_is_found_again_by_our_own_id(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the provider created the customer; our id in its record proves whose it is."""

    async def die(*_arguments: object, **_named: object) -> None:
        raise SystemError("gone")

    with monkeypatch.context() as dying:
        dying.setattr(white_label, "_bind", die)
        assert (await identity.start(ada)).status_code == 500
    assert identity.customer(ada)["customer_id"] is None
    url = await identity.started(ada)
    assert identity.customer(ada)["is_proven"]
    identity.choose(url, "OTP_COMPLETED", "BASIC_KYC_COMPLETED")
    await identity.read()
    assert identity.standing(ada) == ("approved", "basic")


async def test_two_who_prove_one_customer_at_once_are_one(
    identity: Identity, ada: Person, bo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await identity.started(bo)
    taken = identity.customer(bo)["customer_id"]

    async def is_nobodys(*_arguments: object) -> bool:
        return False

    monkeypatch.setattr(white_label, "_is_anothers", is_nobodys)
    monkeypatch.setattr(white_label, "_new_customer", _answering(taken))
    assert_problem(await identity.start(ada), 409, "phone_taken")
    assert identity.standing(ada) == ("none", "none")


def _answering(customer_id: str) -> Any:
    async def answer(*_arguments: object) -> tuple[Any, bool]:
        return KycLink("http://localhost/x", customer_id), True

    return answer


# Hints and reading


async def _hint(identity: Identity, client_customer_id: str, status: str) -> None:
    event = {"referenceId": client_customer_id, "eventType": "KYC", "status": status, "metadata": {}}
    answer = await identity.wallet.client.post(PATH, headers=signed(event), json=event)
    assert answer.status_code == 200


async def test_a_webhook_makes_a_person_due_and_changes_nothing_itself(
    identity: Identity, ada: Person
) -> None:
    await identity.started(ada)
    await identity.read()
    identity.wallet.run("UPDATE verification_customers SET due_at = now() + interval '1 hour'")
    await _hint(identity, identity.customer(ada)["client_customer_id"], "COMPLETED")
    assert await walks.handle_events() == 1
    assert identity.standing(ada) == ("started", "none"), "the webhook says that she is approved"
    assert await identity.read() == 1
    assert identity.standing(ada) == ("started", "none"), "the read says that she is not"


async def test_a_webhook_for_nobody_is_harmless(identity: Identity, ada: Person) -> None:
    for named in ("f" * 32, "nobody", ada.id):
        await _hint(identity, named, "COMPLETED")
    assert await walks.handle_events() == 3
    assert await identity.read() == 0


async def test_an_unknown_word_is_recorded_and_changes_nothing(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await identity.started(ada)
    provider = reader.get_kyc_provider()
    report = await provider.kyc_report(identity.customer(ada)["customer_id"])

    async def new_word(_customer_id: str) -> object:
        return replace(report, status="VIDEO_CALL_PENDING", meaning=None)

    monkeypatch.setattr(provider, "kyc_report", new_word)
    for _ in range(2):
        identity.wallet.run("UPDATE verification_customers SET due_at = now()")
        await identity.read()
    assert identity.history(ada)[1:] == [("started none", "started none", "provider", "VIDEO_CALL_PENDING")]


async def test_reading_slows_down_while_nothing_happens_and_ends(identity: Identity, ada: Person) -> None:
    await identity.started(ada)
    waits = []
    for age in ("0 s", "10 min", "20 h", "31 days"):
        identity.wallet.run(
            "UPDATE verification_customers SET due_at = now(), read_at = NULL,"
            f" awake_at = now() - interval '{age}'"
        )
        await identity.read()
        ((wait,),) = identity.wallet.rows(
            "SELECT extract(epoch FROM due_at - now())::int FROM verification_customers"
        )
        waits.append(wait)
    assert [waits[0] <= 5, 55 <= waits[1] <= 60, 3590 <= waits[2] <= 3600, waits[3]] == [True] * 3 + [None]


async def test_a_provider_that_is_away_is_asked_later_and_later(identity: Identity, ada: Person) -> None:
    await identity.started(ada)
    identity.wallet.simulator.scenario("api_down", times=None)
    waits = []
    for _ in range(3):
        identity.wallet.run("UPDATE verification_customers SET due_at = now()")
        await reader.read_next()
        ((wait,),) = identity.wallet.rows(
            "SELECT round(extract(epoch FROM due_at - now())) FROM verification_customers"
        )
        waits.append(int(wait))
    assert waits == [5, 10, 20]
    assert identity.standing(ada) == ("started", "none")


async def test_of_several_readers_one_asks(identity: Identity, ada: Person) -> None:
    await identity.started(ada)
    assert sorted(await asyncio.gather(*(reader.read_next() for _ in range(4)))) == [False] * 3 + [True]


async def test_a_late_answer_does_not_undo_a_newer_one(identity: Identity, ada: Person) -> None:
    url = await identity.started(ada)
    claim = await reader._claim()
    assert claim is not None
    stale = await reader.get_kyc_provider().kyc_report(claim.customer_id)
    identity.choose(url, "OTP_COMPLETED", "PERMANENT_FAILED")
    identity.wallet.run("UPDATE verification_customers SET due_at = now()")
    await identity.read()
    assert identity.standing(ada) == ("rejected", "none")
    approving = replace(stale, status="COMPLETED", meaning=KycMeaning.APPROVED_FULL)
    assert await reader._keep(claim, approving) is False
    assert identity.standing(ada) == ("rejected", "none")


async def test_who_changed_is_announced(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []
    for module in (reader, white_label):
        monkeypatch.setattr(module, "announce_changes", named.extend)
    identity.choose(await identity.started(ada), "OTP_COMPLETED", "BASIC_KYC_COMPLETED")
    await identity.read()
    assert named == [ada.id, ada.id]


# The record


async def test_the_state_and_its_history_change_together_or_not_at_all(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await identity.started(ada)
    identity.choose(url, "OTP_COMPLETED", "ADVANCE_KYC_COMPLETED")
    write = steps.write_step

    def fail_after(*arguments: Any, **named: Any) -> None:
        write(*arguments, **named)
        raise RuntimeError("in the middle")

    monkeypatch.setattr(reader, "write_step", fail_after)
    with pytest.raises(RuntimeError):
        await reader.read_next()
    assert (identity.standing(ada), len(identity.history(ada))) == (("started", "none"), 1)


async def test_the_history_stays_as_it_is(identity: Identity, ada: Person) -> None:
    await identity.started(ada)
    for statement in (
        "UPDATE verification_steps SET to_status = 'approved', to_tier = 'full'",
        "DELETE FROM verification_steps",
        "TRUNCATE verification_steps",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            identity.wallet.run(statement)
    with psycopg.connect(identity.wallet.database_url, autocommit=True) as role:
        role.execute("SET ROLE onramp_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            role.execute("UPDATE verification_steps SET word = 'COMPLETED'")


@pytest.mark.parametrize(
    "row",
    [
        {"source": "user", "to_status": "approved", "to_tier": "full"},
        {"source": "user", "to_status": "started", "to_tier": "full"},
        {"source": "provider", "actor": None, "to_status": "approved", "to_tier": "full"},
        {"source": "operator", "to_status": "approved", "to_tier": "full"},
        {"source": "operator", "reason": "seen", "to_status": "approved", "to_tier": "none"},
        {"source": "operator", "reason": "seen", "to_status": "rejected", "to_tier": "basic"},
        {"source": "provider", "actor": None, "word": "Asha Rao 1990-02-31"},
        {"source": "provider", "actor": None, "word": "ABCDE1234F"},
    ],
)
async def test_the_database_itself_refuses_what_nobody_may_say(
    identity: Identity, ada: Person, row: dict[str, Any]
) -> None:
    whole = {
        "user_id": ada.id, "at": clock.now(), "from_status": "none", "from_tier": "none",
        "to_status": "started", "to_tier": "none", "actor": ada.id,
    } | row  # fmt: skip
    with pytest.raises(psycopg.errors.CheckViolation):
        rows.insert(identity.wallet.owner, "verification_steps", **whole)


async def test_the_widget_line_has_nothing_to_begin(wallet: Any, ada: Person) -> None:
    assert get_settings().onramp_white_label is False
    answer = await wallet.client.post("/api/kyc/start", json={"phone": PHONE}, headers=ada.headers)
    assert_problem(answer, 409, "verification_not_startable")
    found = (await wallet.get(ada, "/api/kyc")).json()
    assert (found["status"], found["tier"], found["next_step"]) == ("none", "none", None)
    assert wallet.count("verification_customers") == 0
