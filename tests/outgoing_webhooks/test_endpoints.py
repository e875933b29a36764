"""`/api/webhook-endpoints` over HTTP: create, change, rotate the secret, delete; only a program's own."""

import base64

import pytest

from onramp_app.config import get_settings
from onramp_app.outgoing_webhooks import addresses, endpoints, signing
from onramp_app.running import retention
from tests import rows
from tests.money import assert_problem
from tests.outgoing_webhooks.conftest import ENDPOINTS, Shop, happen
from tests.people import Person
from tests.rows import Owner


async def test_an_endpoint_from_its_making_to_its_end(shop: Shop, owner: Owner) -> None:
    made = await shop.endpoint(event_types=["debit.created", "top_up.settled"], description="Orders")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret[6:])) == 32
    assert made["event_types"] == ["top_up.settled", "debit.created"]
    assert (await shop.ask("GET", ENDPOINTS)).json() == {"items": [made], "next_cursor": None}
    where = f"{ENDPOINTS}/{made['id']}"
    assert (await shop.ask("GET", where)).json() == made
    changed = (await shop.ask("PATCH", where, url="https://shop.example/2", description="")).json()
    assert (changed["url"], changed["description"], changed["event_types"]) == (
        "https://shop.example/2",
        None,
        ["top_up.settled", "debit.created"],
    )
    off = (await shop.ask("PATCH", where, is_enabled=False)).json()
    assert (off["is_enabled"], off["disabled_because"]) == (False, "program")
    on = (await shop.ask("PATCH", where, is_enabled=True, event_types=[])).json()
    assert (on["is_enabled"], on["disabled_at"], on["event_types"]) == (True, None, [])
    assert (await shop.ask("DELETE", where)).status_code == 204
    assert_problem(await shop.ask("GET", where), 404, "not_found")
    assert (await shop.ask("GET", ENDPOINTS)).json()["items"] == []
    assert await retention.purge() == {"webhook_endpoints": 1}
    lines = owner.execute(
        "SELECT action, actor FROM audit_log WHERE subject = %s ORDER BY at, id", (made["id"],)
    ).fetchall()
    assert lines == [
        (f"webhook_endpoint.{done}", f"key:{shop.key[4:36]}")
        for done in ("created", "changed", "changed", "changed", "deleted")
    ]


async def test_the_secret_is_shown_once_and_kept_sealed(shop: Shop, owner: Owner) -> None:
    made = await shop.endpoint()
    where = f"{ENDPOINTS}/{made['id']}"
    turned = (await shop.ask("POST", f"{where}/rotate-secret", keep_old_seconds=60)).json()
    assert turned["secret"] != made["secret"]
    assert turned["previous_secret_until"] is not None
    plain = base64.b64decode(made["secret"][6:])
    ((sealed, previous),) = owner.execute("SELECT sealed_secret, sealed_previous FROM webhook_endpoints")
    assert signing.unseal(bytes(previous), endpoint_id=made["id"]) == (plain, True)
    assert plain not in bytes(sealed) + bytes(previous)
    assert signing.unseal(bytes(previous), endpoint_id="0" * 32) is None, "moved to another row"
    for answer in (await shop.ask("GET", where), await shop.ask("GET", ENDPOINTS)):
        assert "whsec_" not in answer.text
    at_once = (await shop.ask("POST", f"{where}/rotate-secret", keep_old_seconds=0)).json()
    assert at_once["previous_secret_until"] is None
    lines = owner.execute("SELECT subject FROM audit_log WHERE action = 'webhook_endpoint.secret_rotated'")
    assert lines.fetchall() == [(made["id"],)] * 2


async def test_no_program_reaches_the_endpoints_of_another(shop: Shop, owner: Owner) -> None:
    made = await shop.endpoint()
    _, key = rows.program(owner)
    other = Shop(shop.client, "", key)
    where = f"{ENDPOINTS}/{made['id']}"
    for method, path in (
        ("GET", where),
        ("PATCH", where),
        ("DELETE", where),
        ("GET", f"{where}/deliveries"),
        ("POST", f"{where}/redeliver"),
        ("POST", f"{where}/rotate-secret"),
        ("POST", f"{where}/deliveries/{'0' * 32}/redeliver"),
    ):
        assert_problem(await other.ask(method, path), 404, "not_found")
    assert (await other.ask("GET", ENDPOINTS)).json()["items"] == []
    assert (await shop.ask("GET", where)).status_code == 200


async def test_a_program_has_a_handful_of_endpoints(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 2)
    for number in range(2):
        await shop.endpoint(f"https://shop.example/{number}")
    assert_problem(
        await shop.ask("POST", ENDPOINTS, url="https://shop.example/more"), 409, "too_many_endpoints"
    )


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.example/hook",
        "https://",
        "https:///hook",
        "https://user:word@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:25/",
        "https://shop.example:99999/",
        "https://münchen.example/",
        "https://shop.example/a b",
        "https://10.0.0.1/",
        "https://[::1",
        "https://[fe80::1]/",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_an_address_that_nothing_is_sent_to_is_refused(url: str) -> None:
    with pytest.raises(addresses.UnusableUrl):
        addresses.clean_url(url)


async def test_what_an_operator_disables_no_program_enables(shop: Shop, owner: Owner) -> None:
    endpoint = await shop.endpoint()
    owner.execute("UPDATE webhook_endpoints SET disabled_at = now(), disabled_because = 'operator'")
    where = f"{ENDPOINTS}/{endpoint['id']}"
    assert_problem(await shop.ask("PATCH", where, is_enabled=True), 409, "endpoint_disabled")
    assert (await shop.ask("PATCH", where, is_enabled=False)).json()["disabled_because"] == "operator"
    assert (await shop.ask("DELETE", where)).status_code == 204


async def test_a_refused_address_names_its_field(shop: Shop) -> None:
    refused = await shop.ask("POST", ENDPOINTS, url="https://10.0.0.1/")
    assert assert_problem(refused, 422, "validation_failed")["errors"][0]["field"] == "url"


async def test_closing_an_account_takes_with_it_what_programs_were_told(
    shop: Shop, owner: Owner, ada: Person
) -> None:
    await shop.endpoint()
    await happen(ada.id)
    file = (await shop.client.get("/api/auth/me/export", headers=ada.headers)).json()
    assert [(one["type"], one["data"]["external_id"]) for one in file["outgoing_events"]] == [
        ("top_up.settled", "customer-1")
    ]
    assert (await shop.client.delete("/api/auth/me", headers=ada.headers)).status_code == 204
    for table in ("outgoing_events", "outgoing_deliveries"):
        assert owner.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


async def test_in_production_only_the_internet_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://127.0.0.1:9000/hook", "http://shop.example/hook", "https://[::1]/hook"):
        assert addresses.clean_url(url) == url
    monkeypatch.setattr(type(get_settings()), "is_production", True)
    for url in ("http://127.0.0.1:9000/hook", "http://shop.example/hook", "https://[::1]/hook"):
        with pytest.raises(addresses.UnusableUrl):
            addresses.clean_url(url)
    assert addresses.clean_url("https://shop.example:8443/hook")
