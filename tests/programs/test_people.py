"""The people of a program: found or created by its external id, claimed by mail, and only its own."""

import asyncio
from typing import Any

import httpx
import pytest

from onramp_app.accounts.sessions import Client
from onramp_app.domain.errors import EmailTaken, ValidationFailed
from onramp_app.ledger.assets import enable_assets
from onramp_app.recovery import passwords, requests
from onramp_app.throttle import throttle
from tests import rows
from tests.ledger.books import findings
from tests.mailed import mailed, secret_in
from tests.money import Wallet
from tests.people import PASSWORD, Person
from tests.rows import Owner

MAILBOX = "grace@example.com"
BROWSER = Client(address="203.0.113.8", user_agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")


class Shop:
    """A program that calls the API."""

    def __init__(self, client: httpx.AsyncClient, owner: Owner, **key: Any) -> None:
        self.id, self.key = rows.program(owner, **key)
        self.client = client

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def open(self, external_id: object = "c-1", **given: object) -> httpx.Response:
        body = {"external_id": external_id, **given}
        return await self.client.post("/api/users", json=body, headers=self.headers)

    async def get(self, path: str, **query: object) -> httpx.Response:
        return await self.client.get(f"/api/users{path}", params=query, headers=self.headers)  # type: ignore[arg-type]


@pytest.fixture
def shop(client: httpx.AsyncClient, owner: Owner) -> Shop:
    return Shop(client, owner, name="Corner shop")


async def test_a_person_is_opened_once_and_then_found(shop: Shop, owner: Owner) -> None:
    made = await shop.open(country="IN")
    again = await shop.open(country="BR", display_currency="EUR")
    found = await shop.get("", external_id="c-1")
    assert [answer.status_code for answer in (made, again, found)] == [201, 200, 200]
    assert made.json() == again.json() == found.json()
    assert made.json() == {
        "id": made.json()["id"],
        "external_id": "c-1",
        "is_claimed": False,
        "country": "IN",
        "display_currency": "INR",
        "balance_low": None,
        "created_at": made.json()["created_at"],
    }
    assert made.headers["cache-control"] == "no-store"
    lines = owner.execute(
        "SELECT actor, action, subject, detail::json ->> 'program', address <> '' FROM audit_log"
    ).fetchall()
    assert lines == [(f"key:{shop.key[4:36]}", "account.created", made.json()["id"], shop.id, True)]


async def test_the_books_stay_sound_and_such_an_account_is_a_users(shop: Shop, owner: Owner) -> None:
    opened = (await shop.open()).json()
    assert await findings() == []
    owner.execute("UPDATE users SET role = 'admin' WHERE id = %s", (opened["id"],))
    assert {one.rule for one in await findings()} == {"role_is_granted"}


async def test_below_which_balance_it_wants_to_hear_is_the_programs_to_say(shop: Shop, owner: Owner) -> None:
    await enable_assets()
    low = {"asset": "USDT", "amount": "5.50"}
    made = (await shop.open(balance_low=low)).json()
    assert made["balance_low"] == {"asset": "USDT", "amount": "5.5"}
    again = (await shop.open(balance_low=low | {"amount": "7"})).json()
    assert again == made, "it counts when the account is opened"

    async def change(value: object, key: str = shop.key) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return await shop.client.patch(
            f"/api/users/{made['id']}", json={"balance_low": value}, headers=headers
        )

    changed = await change(low | {"amount": "7"})
    assert (changed.status_code, changed.json()["balance_low"]["amount"]) == (200, "7")
    for wrong, code in (
        (low | {"asset": "NONE"}, "unsupported_asset"),
        (low | {"amount": "0"}, "validation_failed"),
        (low | {"amount": f"1.{'0' * 17}01"}, "validation_failed"),
    ):
        refused = await change(wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await change(None, key=rows.program(owner)[1])).status_code == 404
    assert (await change(None)).json()["balance_low"] is None
    lines = owner.execute("SELECT subject FROM audit_log WHERE action = 'program_user.changed'").fetchall()
    assert lines == [(made["id"],)] * 2


async def test_thirty_two_at_once_open_one_account(shop: Shop, owner: Owner) -> None:
    answers = await asyncio.gather(*(shop.open("c-1", email=MAILBOX) for _ in range(32)))
    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM audit_log)"
    assert owner.execute(counts).fetchone() == (1, 1)
    assert mailed(owner) == [("claim_account", MAILBOX)]


async def test_two_programs_give_the_same_name_to_two_people(
    shop: Shop, client: httpx.AsyncClient, owner: Owner
) -> None:
    game = Shop(client, owner)
    mine, theirs = (await shop.open()).json(), (await game.open()).json()
    assert mine["id"] != theirs["id"]
    assert (await shop.get(f"/{theirs['id']}/balances")).status_code == 404
    assert (await game.get("", external_id="c-2")).status_code == 404


@pytest.mark.parametrize(
    "name",
    ["", "a" * 129, "a b", "a\n", "\n", "a\x00", "é", "\u202e", "\ud800", None, 7, ["c-1"], {"c": 1}],
)
async def test_a_name_of_other_characters_is_refused(shop: Shop, owner: Owner, name: object) -> None:
    body = b'{"external_id": "\\ud800"}' if name == "\ud800" else None
    if body is None:
        answer = await shop.open(name)
    else:
        headers = {**shop.headers, "Content-Type": "application/json"}
        answer = await shop.client.post("/api/users", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert owner.execute("SELECT count(*) FROM users").fetchone() == (0,)


async def test_hostile_names_are_names_and_nothing_else(shop: Shop) -> None:
    names = ["'; DROP TABLE users; --", "../../x", "%00", "<script>", "{{7*7}}", "=1+1", "~" * 128]
    names = [name.replace(" ", "") for name in names]
    opened = [(await shop.open(name)).json()["id"] for name in names]
    found = [(await shop.get("", external_id=name)).json()["id"] for name in names]
    assert found == opened
    assert len(set(opened)) == len(names)


async def test_the_person_claims_the_account_by_mail_and_only_so(
    shop: Shop, client: httpx.AsyncClient, owner: Owner
) -> None:
    person = (await shop.open(email=MAILBOX)).json()
    ((stored,),) = owner.execute("SELECT email FROM users").fetchall()
    assert stored == f"unclaimed-{person['id']}@account.invalid", "the address is nobody's yet"
    for email in (MAILBOX, stored):
        body = {"email": email, "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=body)).status_code in (401, 422)
        await requests.ask(email, BROWSER)
    await requests.answer_some()
    assert mailed(owner) == [("claim_account", MAILBOX)]
    token = secret_in(owner, "claim_account", to=MAILBOX)
    for path in ("email/confirm", "email/undo", "secure"):
        assert (await client.post(f"/api/auth/{path}", json={"token": token})).status_code == 422
    claim = {"token": token, "new_password": PASSWORD}
    assert (await client.post("/api/auth/password/reset", json=claim)).status_code == 204
    assert (await client.post("/api/auth/password/reset", json=claim)).status_code == 422, "once"
    signed_in = await client.post("/api/auth/login", json={"email": MAILBOX, "password": PASSWORD})
    assert signed_in.status_code == 200
    assert (signed_in.json()["user"]["id"], signed_in.json()["user"]["display_name"]) == (
        person["id"],
        "grace",
    )
    assert (await shop.open(email="other@example.com")).json() == {**person, "is_claimed": True}
    assert [kind for kind, _ in mailed(owner)].count("claim_account") == 1, "a claimed one gets no other link"
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    events = (await client.get("/api/auth/events", headers=headers)).json()["items"]
    assert "account_claimed" in [event["kind"] for event in events]
    own = (await client.get("/api/auth/me/export", headers=headers)).json()
    assert [(one["name"], one["external_id"]) for one in own["programs"]] == [("Corner shop", "c-1")]


async def test_a_program_neither_reads_nor_takes_over_nor_learns_of_an_account(
    shop: Shop, client: httpx.AsyncClient, owner: Owner, ada: Person
) -> None:
    taken, free = [await shop.open(name, email=email) for name, email in (("a", ada.email), ("b", MAILBOX))]
    assert (taken.status_code, free.status_code) == (201, 201)
    said = [set(answer.json().items()) - set(free.json().items()) for answer in (taken,)]
    assert {name for name, _ in said[0]} == {"id", "external_id", "created_at"}, "one answer for both"
    assert taken.json()["id"] != ada.id
    for path in ("balances", "transactions"):
        assert (await shop.get(f"/{ada.id}/{path}")).status_code == 404
    token = secret_in(owner, "claim_account", to=ada.email)
    claim = {"token": token, "new_password": PASSWORD + "x"}
    refused = await client.post("/api/auth/password/reset", json=claim)
    assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")
    me = (await client.get("/api/auth/me", headers=ada.headers)).json()
    assert me["email"] == ada.email
    assert (await client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})).is_success
    # The link to the account that the program opened still works once the address is free.
    owner.execute("UPDATE users SET email = 'moved@example.com' WHERE id = %s", (ada.id,))
    assert (await client.post("/api/auth/password/reset", json=claim)).status_code == 204


async def test_who_signs_up_meanwhile_gets_an_account_of_their_own(
    shop: Shop, client: httpx.AsyncClient, owner: Owner
) -> None:
    """A stranger gave the shop the address of somebody who signs up later; they share no account."""
    person = (await shop.open(email=MAILBOX)).json()
    body = {"email": MAILBOX, "password": PASSWORD}
    signed_up = await client.post("/api/auth/register", json=body)
    assert signed_up.status_code == 201
    assert signed_up.json()["user"]["id"] != person["id"]
    assert (await shop.get(f"/{signed_up.json()['user']['id']}/balances")).status_code == 404
    with pytest.raises(EmailTaken):
        await passwords.reset(secret_in(owner, "claim_account", to=MAILBOX), PASSWORD, BROWSER)


async def test_another_link_is_mailed_for_another_address_and_ends_the_first(
    shop: Shop, owner: Owner
) -> None:
    await shop.open(email=MAILBOX)
    first = secret_in(owner, "claim_account", to=MAILBOX)
    await shop.open(email=MAILBOX)
    assert len(mailed(owner)) == 1, "one that works is on its way"
    await shop.open(email="right@example.com")
    with pytest.raises(ValidationFailed):
        await passwords.reset(first, PASSWORD, BROWSER)
    await passwords.reset(secret_in(owner, "claim_account", to="right@example.com"), PASSWORD, BROWSER)
    actions = owner.execute("SELECT action FROM audit_log ORDER BY at, id").fetchall()
    assert actions == [("account.created",), ("account.claim_mailed",), ("account.claimed",)]


async def test_one_address_is_mailed_five_links_an_hour_however_many_people_it_is_given_for(
    shop: Shop, owner: Owner
) -> None:
    answers = [await shop.open(f"c-{number}", email=MAILBOX) for number in range(7)]
    assert {answer.status_code for answer in answers} == {201}
    assert len(mailed(owner)) == 5


async def test_of_four_who_claim_at_once_one_does(shop: Shop, owner: Owner) -> None:
    await shop.open(email=MAILBOX)
    token = secret_in(owner, "claim_account", to=MAILBOX)
    outcomes = await asyncio.gather(
        *(passwords.reset(token, PASSWORD, BROWSER) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType", *["ValidationFailed"] * 3]


async def test_a_program_reads_what_its_person_sees(wallet: Wallet, ada: Person) -> None:
    shop = Shop(wallet.client, wallet.owner)
    rows.program_user(wallet.owner, shop.id, ada.id)
    settled = await wallet.created(ada)
    await wallet.deliver(ada, settled["id"])
    balances, listed = await shop.get(f"/{ada.id}/balances"), await shop.get(f"/{ada.id}/transactions")
    own = await wallet.get(ada, "/api/balances"), await wallet.get(ada, "/api/transactions")
    assert balances.json() | {"as_of": ""} == own[0].json() | {"as_of": ""}
    assert listed.json() == own[1].json()
    assert balances.json()["items"][0]["available"] == "11.25"
    assert len(listed.json()["items"]) == 1


async def test_a_closed_account_is_known_to_no_program(
    shop: Shop, client: httpx.AsyncClient, owner: Owner
) -> None:
    person = (await shop.open(email=MAILBOX)).json()
    await passwords.reset(secret_in(owner, "claim_account", to=MAILBOX), PASSWORD, BROWSER)
    signed_in = await client.post("/api/auth/login", json={"email": MAILBOX, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    assert (await client.delete("/api/auth/me", headers=headers)).status_code == 204
    assert (await shop.get("", external_id="c-1")).status_code == 404
    assert (await shop.get(f"/{person['id']}/balances")).status_code == 404
    again = await shop.open()
    assert (again.status_code, again.json()["id"] != person["id"]) == (201, True)


async def test_opening_people_has_a_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "NEW_PEOPLE", throttle.CHANGE_EMAIL)
    answers = [await shop.open(f"c-{number}") for number in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert (await shop.open("c-0")).status_code == 200, "finding goes on"
