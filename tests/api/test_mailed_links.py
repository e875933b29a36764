"""What mailed links do, and do not do for anybody else, as seen by a program and by a thief."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts import links
from onramp_app.accounts.words import LinkPurpose
from onramp_app.config import get_settings
from onramp_app.recovery.requests import answer_some
from onramp_app.throttle import throttle
from tests.factors.authenticator import code_of
from tests.mailed import mailed, secret_in
from tests.people import PASSWORD, Person

NEW = "another calm evening 7"


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as owner:
        yield owner


async def _post(
    client: httpx.AsyncClient, path: str, person: Person | None = None, **body: str
) -> httpx.Response:
    return await client.post(f"/api/auth/{path}", json=body, headers=person.headers if person else {})


async def _signs_in(client: httpx.AsyncClient, email: str, password: str) -> bool:
    answer = await client.post("/api/auth/login", json={"email": email, "password": password})
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


async def _reset_link(client: httpx.AsyncClient, owner: psycopg.Connection[Any], email: str) -> str:
    assert (await _post(client, "password/forgot", email=email)).status_code == 202
    await answer_some()
    return secret_in(owner, "reset_password", to=email.lower())


def _confirm(owner: psycopg.Connection[Any], person: Person) -> None:
    owner.execute("UPDATE users SET email_confirmed_at = now() WHERE id = %s", (person.id,))


# Recovery


async def test_a_link_sets_a_password_once_and_ends_every_session(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    secret = await _reset_link(client, owner, ada.email.upper())
    weak = await _post(client, "password/reset", token=secret, new_password="password")
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (422, "new_password")
    assert (await _post(client, "password/reset", token=secret, new_password=NEW)).status_code == 204
    assert (await client.get("/api/auth/me", headers=ada.headers)).status_code == 401
    assert not await _signs_in(client, ada.email, PASSWORD)
    assert await _signs_in(client, ada.email, NEW)
    again = await _post(client, "password/reset", token=secret, new_password="a third password, 9")
    assert (again.status_code, again.json()["errors"][0]["field"]) == (422, "token")
    assert ("password_changed", ada.email) in mailed(owner)
    assert owner.execute("SELECT email_confirmed_at IS NOT NULL FROM users").fetchone() == (True,)


async def test_of_sixteen_who_open_a_link_at_once_one_sets_the_password(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    secret = await _reset_link(client, owner, ada.email)
    tried = [f"calm evening number {n}" for n in range(16)]
    answers = await asyncio.gather(
        *(_post(client, "password/reset", token=secret, new_password=one) for one in tried)
    )
    assert sorted(answer.status_code for answer in answers).count(204) == 1
    winner = next(one for one, answer in zip(tried, answers, strict=True) if answer.status_code == 204)
    assert await _signs_in(client, ada.email, winner)


@pytest.mark.parametrize("spoil", ["expires_at = now()", "ended_at = now()", "email = 'other@example.com'"])
async def test_a_link_ends_with_its_time_and_its_address(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person, spoil: str
) -> None:
    secret = await _reset_link(client, owner, ada.email)
    owner.execute(f"UPDATE account_links SET created_at = created_at - interval '1 day', {spoil}".encode())
    assert (await _post(client, "password/reset", token=secret, new_password=NEW)).status_code == 422
    assert await _signs_in(client, ada.email, PASSWORD)


async def test_a_link_lasts_for_half_an_hour_and_only_the_newest_works(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    first = await _reset_link(client, owner, ada.email)
    await _reset_link(client, owner, ada.email)
    lasts = owner.execute("SELECT max(expires_at - created_at) FROM account_links").fetchone()
    assert lasts is not None
    assert lasts[0].total_seconds() == 1800
    assert (await _post(client, "password/reset", token=first, new_password=NEW)).status_code == 422


async def test_a_link_of_one_kind_does_nothing_of_another(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any]
) -> None:
    registered = await client.post(
        "/api/auth/register", json={"email": "new@example.com", "password": PASSWORD}
    )
    assert registered.status_code == 201
    confirms = secret_in(owner, "confirm_email", to="new@example.com")
    for path in ("email/undo", "secure"):
        assert (await _post(client, path, token=confirms)).status_code == 422
    assert (await _post(client, "password/reset", token=confirms, new_password=NEW)).status_code == 422
    resets = await _reset_link(client, owner, "new@example.com")
    for path in ("email/confirm", "email/undo", "secure"):
        assert (await _post(client, path, token=resets)).status_code == 422
    assert (await _post(client, "email/confirm", token=confirms)).status_code == 204


@pytest.mark.parametrize("token", ["x" * 43, "a", "\0" * 43, "é" * 43, "../../x", "0" * 128])
async def test_no_token_of_ones_own_opens_anything(
    client: httpx.AsyncClient, ada: Person, token: str
) -> None:
    for path in ("email/confirm", "email/undo", "secure"):
        assert (await _post(client, path, token=token)).status_code == 422
    assert (await _post(client, "password/reset", token=token, new_password=NEW)).status_code == 422


async def test_nobody_learns_by_the_answer_whether_there_is_an_account(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    known = await _post(client, "password/forgot", email=ada.email)
    unknown = await _post(client, "password/forgot", email="nobody@example.com")
    nonsense = await _post(client, "password/forgot", email="not an address")
    assert {(a.status_code, a.text) for a in (known, unknown, nonsense)} == {(202, "null")}
    assert owner.execute("SELECT count(*) FROM reset_requests").fetchone() == (2,)
    await answer_some()
    assert mailed(owner) == [("reset_password", ada.email)]
    assert owner.execute("SELECT count(*) FROM reset_requests").fetchone() == (0,)


async def _ratio_of_times(
    client: httpx.AsyncClient, email: str, times: int, *, ask: Callable[[str], Awaitable[None]]
) -> float:
    """Return how much longer requests take for an account than for none (ratio of medians); print it too."""
    took: dict[str, list[float]] = {email: [], "nobody-at-all@example.com": []}
    for _ in range(times):
        for asked, seconds in took.items():
            throttle.forget()
            began = time.perf_counter()
            await ask(asked)
            seconds.append(time.perf_counter() - began)
    known, unknown = (statistics.median(seconds) for seconds in took.values())
    ratio = known / unknown
    print(f"account {known * 1000:.1f} ms, none {unknown * 1000:.1f} ms: {ratio:.2f} ({times} each)")  # noqa: T201 - the figures
    return ratio


# The ratio that would give an account away. A request for an account takes 0.99 to 1.03 times as long as for
# none, and 1.26 times as long if the account is looked up before the answer.
TELLING_RATIO = 1.15


@pytest.mark.parametrize(
    ("times", "telling"),
    [
        (25, 1.5),  # medians of so few requests differ by a fifth on a busy machine
        pytest.param(500, TELLING_RATIO, marks=pytest.mark.full),
    ],
)
async def test_nobody_learns_by_the_time_whether_there_is_an_account(
    client: httpx.AsyncClient, ada: Person, times: int, telling: float
) -> None:
    async def ask(email: str) -> None:
        await _post(client, "password/forgot", email=email)

    assert 1 / telling < await _ratio_of_times(client, ada.email, times, ask=ask) < telling


@pytest.mark.full
async def test_control_who_looks_for_the_account_at_once_says_so_by_the_time(
    client: httpx.AsyncClient, ada: Person
) -> None:
    async def ask(email: str) -> None:
        await _post(client, "password/forgot", email=email)
        await answer_some()

    assert await _ratio_of_times(client, ada.email, 100, ask=ask) > TELLING_RATIO


async def test_control_a_link_that_is_looked_at_and_then_used_opens_more_than_once(
    client: httpx.AsyncClient,
    owner: psycopg.Connection[Any],
    ada: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = await _reset_link(client, owner, ada.email)
    together = asyncio.Barrier(2)

    async def take_naively(db: AsyncSession, secret: object, *purposes: LinkPurpose) -> object:
        found = await links.find(db, secret, *purposes)
        await together.wait()
        return found

    monkeypatch.setattr(links, "take", take_naively)
    answers = await asyncio.gather(
        *(_post(client, "password/reset", token=secret, new_password=f"calm evening {n}") for n in range(2))
    )
    assert [answer.status_code for answer in answers].count(204) == 2


async def test_an_account_is_written_to_five_times_an_hour_and_the_answer_stays_the_same(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    answers = [await _post(client, "password/forgot", email=ada.email) for _ in range(8)]
    assert {answer.status_code for answer in answers} == {202}
    assert owner.execute("SELECT count(*) FROM reset_requests").fetchone() == (5,)


async def test_one_network_does_not_ask_for_everybody(client: httpx.AsyncClient, database: str) -> None:
    answers = [await _post(client, "password/forgot", email=f"p{n}@example.com") for n in range(31)]
    assert [answer.status_code for answer in answers] == [202] * 30 + [429]


async def test_the_host_of_a_request_is_in_no_mail(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    answer = await client.post("/api/auth/password/forgot", json={"email": ada.email}, headers=hostile)
    assert answer.status_code == 202
    await answer_some()
    mail_id = owner.execute("SELECT id FROM outbox_mails").fetchone()[0]  # type: ignore[index]
    html = (await client.get(f"/api/outbox/{mail_id}", headers=hostile)).text
    assert "http://localhost:3000/reset#" in html
    assert "evil" not in html


# Addresses


async def test_a_new_account_confirms_its_address_by_the_mailed_link(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any]
) -> None:
    await client.post("/api/auth/register", json={"email": "Ada@Example.com", "password": PASSWORD})
    secret = secret_in(owner, "confirm_email", to="ada@example.com")
    answers = await asyncio.gather(*(_post(client, "email/confirm", token=secret) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [204] + [422] * 15
    assert owner.execute("SELECT email_confirmed_at IS NOT NULL FROM users").fetchone() == (True,)


async def test_the_link_is_mailed_again_and_then_the_older_one_is_dead(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    assert (await _post(client, "email/confirmation", ada)).status_code == 202
    first = secret_in(owner, "confirm_email", to=ada.email)
    answers = [await _post(client, "email/confirmation", ada) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429]
    assert (await _post(client, "email/confirm", token=first)).status_code == 422
    newest = secret_in(owner, "confirm_email", to=ada.email)
    assert (await _post(client, "email/confirm", token=newest)).status_code == 204


async def test_nothing_is_bought_before_the_address_is_confirmed_and_everything_is_shown(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_CONFIRMED_EMAIL", "true")
    get_settings.cache_clear()
    wish = {
        "fiat_currency": "INR", "fiat_amount": "1000", "asset": "USDT", "network": "matic20",
        "payment_method": "UPI",
    }  # fmt: skip
    refused = await client.post("/api/top-ups", json=wish, headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "email_not_confirmed")
    for path in ("balances", "transactions", "auth/me", "auth/sessions"):
        assert (await client.get(f"/api/{path}", headers=ada.headers)).status_code == 200, path
    _confirm(owner, ada)
    answer = await client.post("/api/top-ups", json=wish, headers=ada.headers)
    assert answer.json()["code"] != "email_not_confirmed"


async def _move(client: httpx.AsyncClient, owner: psycopg.Connection[Any], person: Person, to: str) -> None:
    answer = await _post(client, "email", person, new_email=to, current_password=PASSWORD)
    assert answer.status_code == 202, answer.text
    secret = secret_in(owner, "confirm_new_email", to=to.lower())
    assert (await _post(client, "email/confirm", token=secret)).status_code == 204


async def test_an_address_changes_when_the_new_one_was_opened_and_not_before(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    _confirm(owner, ada)
    wrong = await _post(client, "email", ada, new_email="new@example.com", current_password="wrong")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    asked = await _post(client, "email", ada, new_email="New@Example.com", current_password=PASSWORD)
    assert asked.status_code == 202
    assert await _signs_in(client, ada.email, PASSWORD)
    secret = secret_in(owner, "confirm_new_email", to="new@example.com")
    assert (await _post(client, "email/confirm", token=secret)).status_code == 204
    assert await _signs_in(client, "NEW@example.com", PASSWORD)
    assert not await _signs_in(client, ada.email, PASSWORD)
    assert ("email_changed", ada.email) in mailed(owner)
    details = owner.execute("SELECT details FROM outbox_mails WHERE kind = 'email_changed'").fetchone()
    assert details is not None
    assert "n•••@example.com" in details[0]
    assert "new@example.com" not in details[0]


async def test_an_address_of_somebody_else_is_never_taken_over(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person, bo: Person
) -> None:
    refused = await _post(client, "email", ada, new_email=bo.email.upper(), current_password=PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")
    asked = await _post(client, "email", ada, new_email="free@example.com", current_password=PASSWORD)
    assert asked.status_code == 202
    owner.execute("UPDATE users SET email = 'free@example.com' WHERE id = %s", (bo.id,))
    secret = secret_in(owner, "confirm_new_email", to="free@example.com")
    late = await _post(client, "email/confirm", token=secret)
    assert (late.status_code, late.json()["code"]) == (409, "email_taken")


async def test_a_new_password_ends_what_was_begun_with_the_old_one(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    """A thief requests a change of address and keeps the link; the owner then changes the password."""
    asked = await _post(client, "email", ada, new_email="thief@example.com", current_password=PASSWORD)
    assert asked.status_code == 202
    kept = secret_in(owner, "confirm_new_email", to="thief@example.com")
    changed = await _post(client, "password", ada, current_password=PASSWORD, new_password=NEW)
    assert changed.status_code == 204
    assert (await _post(client, "email/confirm", token=kept)).status_code == 422
    assert await _signs_in(client, ada.email, NEW)


async def test_the_owner_takes_a_stolen_account_back_by_the_old_address(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    """A thief with the password changes the address twice, and the password by a link; the owner wins."""
    _confirm(owner, ada)
    await _move(client, owner, ada, "thief@example.com")
    undo = secret_in(owner, "email_changed", to=ada.email)
    stolen = await _reset_link(client, owner, "thief@example.com")
    assert (await _post(client, "password/reset", token=stolen, new_password=NEW)).status_code == 204
    pair = await client.post("/api/auth/login", json={"email": "thief@example.com", "password": NEW})
    thief = Person(ada.id, "thief@example.com", pair.json()["access_token"], "")
    asked = await _post(client, "email", thief, new_email="second@example.com", current_password=NEW)
    assert asked.status_code == 202
    moved = secret_in(owner, "confirm_new_email", to="second@example.com")
    assert (await _post(client, "email/confirm", token=moved)).status_code == 204
    thiefs_undo = secret_in(owner, "email_changed", to="thief@example.com")
    thiefs_reset = await _reset_link(client, owner, "second@example.com")

    taken = {"email": ada.email, "password": "a stranger's password"}
    assert (await client.post("/api/auth/register", json=taken)).status_code == 409, "kept for its owner"
    assert (await _post(client, "email/undo", token=undo)).status_code == 204
    assert (await client.get("/api/auth/me", headers=thief.headers)).status_code == 401
    for email in (ada.email, "thief@example.com", "second@example.com"):
        for password in (PASSWORD, NEW):
            assert not await _signs_in(client, email, password)
    for path, token in (("email/undo", thiefs_undo), ("email/undo", undo)):
        assert (await _post(client, path, token=token)).status_code == 422
    late = await _post(client, "password/reset", token=thiefs_reset, new_password="the thief's once more")
    assert late.status_code == 422
    assert ("email_change_undone", "second@example.com") in mailed(owner)

    back = secret_in(owner, "reset_password", to=ada.email)
    assert (
        await _post(client, "password/reset", token=back, new_password="home again 2026")
    ).status_code == 204
    assert await _signs_in(client, ada.email, "home again 2026")


async def test_an_address_that_nobody_confirmed_gets_no_link_to_the_account(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    await _move(client, owner, ada, "right@example.com")
    assert [kind for kind, _ in mailed(owner) if kind == "email_changed"] == []


async def test_an_undo_lasts_for_seven_days(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    _confirm(owner, ada)
    await _move(client, owner, ada, "new@example.com")
    undo = secret_in(owner, "email_changed", to=ada.email)
    lasts = owner.execute("SELECT expires_at - created_at FROM account_links WHERE purpose = 'undo_email'")
    assert lasts.fetchone()[0].days == 7  # type: ignore[index]
    owner.execute(
        "UPDATE account_links SET created_at = created_at - interval '8 days',"
        " expires_at = expires_at - interval '8 days'"
    )
    assert (await _post(client, "email/undo", token=undo)).status_code == 422
    free = {"email": ada.email, "password": PASSWORD}
    assert (await client.post("/api/auth/register", json=free)).status_code == 201


async def test_a_stranger_is_not_written_to_without_end(
    client: httpx.AsyncClient,
    owner: psycopg.Connection[Any],
    new_person: Callable[..., Awaitable[Person]],
) -> None:
    to = {"new_email": "stranger@example.com", "current_password": PASSWORD}
    for _ in range(3):
        one_of_many = await new_person()
        answers = [await _post(client, "email", one_of_many, **to) for _ in range(4)]
        assert {answer.status_code for answer in answers} == {202}, "nobody learns of the others"
    assert mailed(owner).count(("confirm_new_email", "stranger@example.com")) == 5
    link = secret_in(owner, "confirm_new_email", to="stranger@example.com")
    assert (await _post(client, "email/confirm", token=link)).status_code == 204, "it still works"


async def test_who_never_proved_an_address_keeps_it_from_nobody(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any]
) -> None:
    victim = "victim@example.com"
    stranger = await client.post("/api/auth/register", json={"email": victim, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {stranger.json()['access_token']}"}
    begun = (await client.post("/api/auth/factors/totp", headers=headers)).json()
    code = {"code": code_of(begun["secret"])}
    added = await client.post("/api/auth/factors/totp/confirm", headers=headers, json=code)
    assert added.status_code == 200
    again = await client.post("/api/auth/register", json={"email": victim, "password": NEW})
    assert again.json()["code"] == "email_taken"
    link = await _reset_link(client, owner, victim)
    assert (await _post(client, "password/reset", token=link, new_password=NEW)).status_code == 204
    assert await _signs_in(client, victim, NEW), "without the stranger's factor"
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 401
    details = owner.execute(
        "SELECT details::json ->> 'change' FROM outbox_mails WHERE kind = 'factors_changed'"
    )
    assert sorted(details.fetchall()) == [("added",), ("removed",)]
    acts = owner.execute("SELECT action FROM audit_log ORDER BY at, id").fetchall()
    assert [act for (act,) in acts if act.startswith("factor")] == ["factor.added", "factor.removed"]


async def test_control_a_proved_address_alone_removes_no_factor(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    _confirm(owner, ada)
    begun = (await client.post("/api/auth/factors/totp", headers=ada.headers)).json()
    await _post(client, "factors/totp/confirm", ada, code=code_of(begun["secret"]))
    link = await _reset_link(client, owner, ada.email)
    refused = await _post(client, "password/reset", token=link, new_password=NEW)
    assert (refused.status_code, refused.json()["code"]) == (401, "otp_required")
    assert owner.execute("SELECT count(*) FROM authenticators").fetchone() == (1,)


# "This wasn't me"


async def test_a_sign_in_elsewhere_is_told_and_ended_by_its_link(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    elsewhere = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537.36"}
    body = {"email": ada.email, "password": PASSWORD}
    thief = await client.post("/api/auth/login", json=body, headers=elsewhere)
    assert thief.status_code == 200
    assert mailed(owner) == [("new_device", ada.email)]
    await client.post("/api/auth/login", json=body, headers=elsewhere)
    assert len(mailed(owner)) == 1, "known by now"
    secret = secret_in(owner, "new_device", to=ada.email)
    assert (await _post(client, "secure", token=secret)).status_code == 204
    headers = {"Authorization": f"Bearer {thief.json()['access_token']}"}
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 401
    refreshed = await client.post("/api/auth/refresh", json={"refresh_token": thief.json()["refresh_token"]})
    assert refreshed.status_code == 401
    assert not await _signs_in(client, ada.email, PASSWORD)
    back = secret_in(owner, "reset_password", to=ada.email)
    assert (await _post(client, "password/reset", token=back, new_password=NEW)).status_code == 204


async def test_that_it_was_not_me_undoes_a_change_of_the_address_that_came_after(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    _confirm(owner, ada)
    body = {"email": ada.email, "password": PASSWORD}
    await client.post("/api/auth/login", json=body, headers={"User-Agent": "Mozilla/5.0 Firefox/140 (Linux)"})
    secret = secret_in(owner, "new_device", to=ada.email)
    await _move(client, owner, ada, "thief@example.com")
    assert (await _post(client, "secure", token=secret)).status_code == 204
    assert owner.execute("SELECT email FROM users WHERE id = %s", (ada.id,)).fetchone() == (ada.email,)
    assert ("reset_password", ada.email) in mailed(owner)
    assert ("reset_password", "thief@example.com") not in mailed(owner)


async def test_a_changed_password_and_a_stolen_token_are_told(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any], ada: Person
) -> None:
    changed = await client.post(
        "/api/auth/password",
        json={"current_password": PASSWORD, "new_password": NEW},
        headers=ada.headers,
    )
    assert changed.status_code == 204
    pair = (await client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})).json()
    await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    stolen = await client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    assert stolen.json()["code"] == "refresh_token_reused"
    await client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    assert mailed(owner) == [("password_changed", ada.email), ("refresh_token_reused", ada.email)]


async def test_what_people_are_called_is_in_no_mail(
    client: httpx.AsyncClient, owner: psycopg.Connection[Any]
) -> None:
    name = "Claim your prize at evil.example"
    await client.post(
        "/api/auth/register",
        json={"email": "victim@example.com", "password": PASSWORD, "display_name": name},
        headers={"User-Agent": name},
    )
    await _post(client, "password/forgot", email="victim@example.com")
    await answer_some()
    ids = owner.execute("SELECT id FROM outbox_mails").fetchall()
    assert len(ids) == 2
    for (mail_id,) in ids:
        assert "evil" not in (await client.get(f"/api/outbox/{mail_id}")).text


async def test_the_database_keeps_addresses_apart_by_ascii_in_lower_case(
    owner: psycopg.Connection[Any], ada: Person
) -> None:
    wide = "\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com"
    for email in ("Ada@example.com", "\N{KELVIN SIGN}@example.com", wide):
        with pytest.raises(psycopg.errors.CheckViolation):
            owner.execute("UPDATE users SET email = %s WHERE id = %s", (email, ada.id))
