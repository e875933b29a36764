"""Canceling a top-up, which has to be the caller's own, as a program sees it."""

from tests.money import WANTED, Wallet, assert_problem
from tests.people import Person

CANCELABLE = [
    ("created", "no", True),
    ("awaiting_payment", "no", True),
    ("awaiting_payment", "unknown", False),
    ("processing", "yes", False),
    ("canceled", "no", False),
    ("expired", "no", False),
    ("failed", "no", False),
]


async def test_cancel_ends_the_offer_once(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    path = f"/api/top-ups/{given['id']}"
    answer = await wallet.client.post(f"{path}/cancel", headers=ada.headers)
    assert answer.status_code == 200
    seen = answer.json()
    assert (seen["status"], seen["reason"], seen["widget_url"]) == ("canceled", None, None)
    assert [(step["status"], step["source"]) for step in seen["timeline"]] == [
        ("created", "user"),
        ("canceled", "user"),
    ]
    assert (await wallet.get(ada, path)).json() == seen
    again = await wallet.client.post(f"{path}/cancel", headers=ada.headers)
    assert_problem(again, 409, "not_cancelable")
    # The widget session stays, so that a payment made anyway finds its top-up.
    assert wallet.count("widget_sessions") == 1


async def test_only_what_nobody_claimed_to_have_paid_is_canceled(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    for status, charged, possible in CANCELABLE:
        wallet.run("UPDATE top_ups SET status = %s, charged = %s", status, charged)
        answer = await wallet.client.post(f"/api/top-ups/{given['id']}/cancel", headers=ada.headers)
        if possible:
            assert answer.json()["status"] == "canceled"
        else:
            assert_problem(answer, 409, "not_cancelable")
            assert wallet.rows("SELECT status, charged FROM top_ups") == [(status, charged)]


async def test_an_id_that_is_nobodys_is_not_found(wallet: Wallet, ada: Person) -> None:
    for top_up_id in ("0" * 32, "x", "%00", "..%2f..", "A" * 500, "' OR 1=1 --"):
        assert_problem(await wallet.get(ada, f"/api/top-ups/{top_up_id}"), 404, "not_found")
        answer = await wallet.client.post(f"/api/top-ups/{top_up_id}/cancel", headers=ada.headers)
        assert_problem(answer, 404, "not_found")


async def test_somebody_elses_top_up_is_not_found_and_not_touched(
    wallet: Wallet, ada: Person, bo: Person
) -> None:
    given = await wallet.created(ada)
    before = wallet.rows("SELECT * FROM top_ups")
    path = f"/api/top-ups/{given['id']}"
    for answer in (
        await wallet.get(bo, path),
        await wallet.client.post(f"{path}/cancel", headers=bo.headers),
    ):
        assert_problem(answer, 404, "not_found")
        assert given["id"] not in answer.text
    for answer in (await wallet.client.get(path), await wallet.client.post(f"{path}/cancel")):
        assert_problem(answer, 401, "unauthenticated")
    assert_problem(await wallet.client.post("/api/top-ups", json=dict(WANTED)), 401, "unauthenticated")
    assert wallet.rows("SELECT * FROM top_ups") == before
