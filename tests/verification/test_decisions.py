"""Operators' decisions about people: with a reason and a code, never about themselves, and lasting."""

import asyncio
from typing import Any

import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.accounts.words import KycStatus as S
from onramp_app.accounts.words import KycTier as T
from onramp_app.config import get_settings
from onramp_app.domain.errors import Forbidden, NotFound, ValidationFailed
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import SecondOperatorNeeded
from onramp_app.operators.mandate import Mandate
from onramp_app.verification.decisions import set_standing
from onramp_app.verification.machine import Standing
from onramp_app.verification.views import show_person, waiting_people
from tests import rows
from tests.people import Person, operator_code
from tests.verification.conftest import WHITE_LABEL, Identity

BASIC = Standing(S.APPROVED, T.BASIC)


def operator(identity: Identity) -> str:
    return rows.user(identity.wallet.owner, role="operator")


def mandate(identity: Identity, by: str, *, confirms: str | None = None) -> Mandate:
    return Mandate(by, "seen in person", operator_code(identity.wallet.owner, by), confirms=confirms)


def audit(identity: Identity) -> list[tuple[str, str]]:
    return identity.wallet.rows(
        "SELECT actor, action FROM audit_log WHERE action = 'verification.set' ORDER BY at, id"
    )


async def test_an_operator_sets_a_tier_with_a_reason(identity: Identity, ada: Person) -> None:
    by = operator(identity)
    done = await set_standing(ada.email, BASIC, mandate=mandate(identity, by))
    assert (done.user_id, done.status, done.tier) == (ada.id, "approved", "basic")
    assert identity.standing(ada) == ("approved", "basic")
    (line,) = (await show_person(ada.email)).history
    assert (line.source, line.actor, line.reason, line.word) == ("operator", by, "seen in person", None)
    assert audit(identity) == [(by, "verification.set")]
    with pytest.raises(ActionNotPossible):
        await set_standing(ada.email, BASIC, mandate=mandate(identity, by))


async def test_nobody_decides_about_themselves(identity: Identity, ada: Person) -> None:
    rows.grant_role(identity.wallet.owner, ada.id)
    with pytest.raises(Forbidden):
        await set_standing(ada.email, BASIC, mandate=mandate(identity, ada.id))
    assert (identity.standing(ada), identity.history(ada)) == (("none", "none"), [])


@pytest.mark.parametrize(
    "standing",
    [Standing(S.APPROVED, T.NONE), Standing(S.REJECTED, T.BASIC), Standing(S.NONE, T.FULL)],
)
async def test_what_does_not_go_together_is_refused(
    identity: Identity, ada: Person, standing: Standing
) -> None:
    with pytest.raises(ValidationFailed):
        await set_standing(ada.email, standing, mandate=mandate(identity, operator(identity)))
    assert identity.history(ada) == []


async def test_nobody_is_not_found(identity: Identity) -> None:
    with pytest.raises(NotFound):
        await set_standing("nobody@example.org", BASIC, mandate=mandate(identity, operator(identity)))


async def test_a_raise_needs_two_where_four_eyes_are_asked_for(
    identity: Identity, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", '{"currency": "USD", "amount": "1000"}')
    get_settings.cache_clear()
    first, second = operator(identity), operator(identity)
    with pytest.raises(SecondOperatorNeeded) as needed:
        await set_standing(ada.email, BASIC, mandate=mandate(identity, first))
    assert identity.standing(ada) == ("none", "none")
    confirming = mandate(identity, second, confirms=needed.value.proposal)
    await set_standing(ada.email, BASIC, mandate=confirming)
    assert identity.standing(ada) == ("approved", "basic")
    refused = Standing(S.REJECTED, T.NONE)
    await set_standing(ada.email, refused, mandate=mandate(identity, first))
    assert identity.standing(ada) == ("rejected", "none"), "what takes away is done at once"


async def test_what_an_operator_decided_stands_against_the_provider(identity: Identity, ada: Person) -> None:
    url = await identity.started(ada)
    refused = Standing(S.REJECTED, T.NONE)
    await set_standing(ada.email, refused, mandate=mandate(identity, operator(identity)))
    identity.choose(url, "OTP_COMPLETED", "ADVANCE_KYC_COMPLETED")
    await identity.look(ada)
    assert identity.standing(ada) == ("rejected", "none")
    assert identity.history(ada)[-1] == (
        "rejected none", "rejected none", "provider", "ADVANCE_KYC_COMPLETED",
    )  # fmt: skip
    begun_again = Standing(S.NONE, T.NONE)
    await set_standing(ada.email, begun_again, mandate=mandate(identity, operator(identity)))
    await identity.started(ada, None)
    await identity.look(ada)
    assert identity.standing(ada) == ("approved", "full"), "she went on from what the operator decided"


async def test_who_waits_for_an_operator_is_listed_until_one_decides(identity: Identity, ada: Person) -> None:
    known = {"email": "c@x.example", "phoneNumber": "+91-9999999999", "clientCustomerId": "theirs"}
    identity.wallet.simulator.data(f"{WHITE_LABEL}/kyc/url", {**known, "type": "INDIVIDUAL"})
    assert (await identity.start(ada)).status_code == 409
    (waiting,) = await waiting_people()
    assert (waiting.user_id, waiting.email) == (ada.id, ada.email)
    assert not (await show_person(ada.email)).is_proven
    await set_standing(ada.email, BASIC, mandate=mandate(identity, operator(identity)))
    assert await waiting_people() == []
    assert identity.standing(ada) == ("approved", "basic")


async def test_the_commands_show_and_decide(identity: Identity, ada: Person) -> None:
    by = operator(identity)
    code = operator_code(identity.wallet.owner, by)
    run: Any = CliRunner()

    async def command(*arguments: str) -> Any:
        # Each command runs its own event loop.
        return await asyncio.to_thread(run.invoke, app, ["kyc", *arguments])

    done = await command(
        "set", ada.email, "--status", "approved", "--tier", "full", "--reason", "met", "--by", by,
        "--code", code,
    )  # fmt: skip
    assert (done.exit_code, done.output.split(" is ")[-1].strip()) == (0, "approved now, tier full."), (
        done.output
    )
    shown = await command("show", ada.email)
    assert f"none none -> approved full  operator {by} met" in shown.output
    assert (await command("list")).output.strip() == "0 wait for an operator."
    wrong = await command(
        "set", ada.email, "--status", "approved", "--reason", "met", "--by", by, "--code", "x"
    )
    assert wrong.exit_code == 1
