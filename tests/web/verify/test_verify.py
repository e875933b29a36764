"""`/verify`: what each standing says, what starting shows, and that nothing typed there is kept."""

import json
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.providers import connection
from onramp_app.verification import reader
from onramp_app.wallet.latest import Latest
from onramp_app.web.tabs.live import catch_up
from onramp_app.web.verify.state import VerifyState
from tests.simulator.process import Process
from tests.web.conftest import HOSTILE, cookie_of

HANDLERS = VerifyState.event_handlers
FORM = {"phone_code": "+91", "phone": "99999 99999"}


class Visit:
    """One person's tab on `/verify`."""

    def __init__(self, tab: Any, books: Any, simulator: Process, user_id: str) -> None:
        self.tab, self.books, self.simulator, self.user_id = tab, books, simulator, user_id
        self.page: VerifyState

    async def open(self, query: str = "") -> "Visit":
        self.tab.connect(self.cookie, path=f"/verify{query}")
        await self.tab.send(HANDLERS["load"])
        self.page = await self.tab.state(VerifyState)
        return self

    cookie: str = ""

    async def start(self, form: Any = None) -> Any:
        return await self.tab.send(HANDLERS["start"], FORM if form is None else form)

    def choose(self, *statuses: str) -> None:
        for status in statuses:
            address = self.page.link.replace("localhost", "127.0.0.1")
            assert self.simulator.client.post(address, data={"status": status}).status_code == 303

    async def pushed(self) -> None:
        """Read from the provider, and push what changed to the tab."""
        self.books.owner.execute("UPDATE verification_customers SET due_at = now(), read_at = NULL")
        await reader.read_next()
        viewer = await self.page._viewer()
        await catch_up(self.page, Latest(viewer))

    def stand(self, status: str, tier: str = "none") -> None:
        self.books.owner.execute("UPDATE users SET kyc_status = %s, kyc_tier = %s", (status, tier))


@pytest.fixture
async def visit(
    books: Any, simulator: Process, new_account: Any, open_tab: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "on")
    monkeypatch.setenv("ONRAMP_WIDGET_URL", f"{simulator.base.replace('127.0.0.1', 'localhost')}/main")
    monkeypatch.setenv("SUPPORT_EMAIL", "help@wallet.example")
    limits = {"none": {"per_top_up": "4000"}, "basic": {"per_top_up": "9000"}}
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", **limits}))
    get_settings.cache_clear()
    session = await new_account()
    made = Visit(open_tab(cookie_of(session)), books, simulator, session.viewer.user_id)
    made.cookie = cookie_of(session)
    await made.tab.hydrate()
    yield made
    await connection.close()


async def test_a_newcomer_sees_what_to_do_and_their_limits(visit: Visit) -> None:
    page = (await visit.open()).page
    assert (page.page.kind, page.page.title, page.page.action) == (
        "none", "Verify your identity", "Start verification",
    )  # fmt: skip
    assert (page.phone_code, page.page.needs_phone, page.link) == ("+91", True, "")
    ours = page.limits[0]
    assert (ours.label, ours.limit, ours.raised) == (
        "Each top-up", "₹4,000", "Up to ₹9,000 once you're verified",
    )  # fmt: skip
    method = next(line for line in page.limits if line.label.startswith("Payment method"))
    assert (method.limit, method.is_binding, ours.is_binding) == ("₹100 to ₹500,000", False, True)
    assert any("published limit" in line.label for line in page.limits)


async def test_a_start_opens_the_providers_page_here_on_the_phone_and_in_a_tab(visit: Visit) -> None:
    page = (await visit.open()).page
    outcome = await visit.start()
    assert "/main/kyc/" in page.link
    assert page.is_framed
    assert page.frame_allow.startswith("camera http://localhost:")
    assert page.code_size > 20
    assert (page.page.kind, page.is_starting, page.phone_problem) == ("started", False, "")
    everything = json.dumps([outcome.delta, visit.tab.root.dict()], default=str)
    assert "99999" not in everything, "what was typed stays nowhere"


async def test_the_page_changes_while_it_is_open_until_the_outcome_takes_the_frame_away(
    visit: Visit,
) -> None:
    page = (await visit.open("?next=/add-money%3Famount%3D5000")).page
    await visit.start()
    visit.choose("OTP_COMPLETED")
    await visit.pushed()
    assert (page.page.kind, bool(page.link)) == ("started", True)
    visit.choose("BASIC_KYC_COMPLETED")
    await visit.pushed()
    assert (page.page.kind, page.page.title, page.link) == ("approved", "You're verified", "")
    assert page.back_to == "/add-money?amount=5000"
    assert page.limits[0].limit == "₹9,000"


@pytest.mark.parametrize(
    ("scenario", "title", "what_now"),
    [
        ("kyc_rejected", "Your identity couldn't be verified", "It can't be tried again here."),
        ("kyc_resubmit", "The check couldn't be completed", "You can try again"),
        ("kyc_slow", "Your details are being checked", "There's nothing you need to do."),
    ],
)
async def test_each_outcome_that_is_no_approval_is_told_on_the_open_page(
    visit: Visit, scenario: str, title: str, what_now: str
) -> None:
    page = (await visit.open()).page
    await visit.start()
    visit.simulator.scenario(scenario)
    visit.choose("OTP_COMPLETED", "BASIC_KYC_COMPLETED")
    await visit.pushed()
    assert (page.page.title, page.link) == (title, "")
    assert page.page.what_now.startswith(what_now)
    if scenario == "kyc_rejected":
        assert page.page.text.startswith("Onramp refused the check for good.")


@pytest.mark.parametrize(
    ("status", "tier", "title", "action"),
    [
        ("in_review", "none", "Your details are being checked", ""),
        ("approved", "basic", "You're verified", "Raise my limits"),
        ("approved", "full", "You're fully verified", ""),
        ("rejected", "none", "Your identity couldn't be verified", ""),
        ("resubmit", "none", "The check couldn't be completed", "Try again"),
    ],
)
async def test_each_standing_says_what_to_do_and_whether_it_can_be_tried_again(
    visit: Visit, status: str, tier: str, title: str, action: str
) -> None:
    visit.stand(status, tier)
    page = (await visit.open()).page.page
    assert (page.kind, page.title, page.action) == (status, title, action)
    assert page.asks_support is (status == "rejected")
    if status == "rejected":
        assert page.text.startswith("Our team refused the verification. You can't add money.")
        assert "can't be tried again" in page.what_now
        assert page.mail_address.startswith("mailto:help@wallet.example?subject=Verification&body=")
    if status == "resubmit":
        assert "can try again" in page.what_now


async def test_the_widget_line_says_that_it_knows_nothing(visit: Visit, monkeypatch: Any) -> None:
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "off")
    get_settings.cache_clear()
    page = (await visit.open()).page
    assert (page.page.kind, page.page.action, page.page.tag) == ("widget", "", "")
    assert "doesn't tell us" in page.page.text
    assert page.published == ("Its published limit for a first payment is ₹500,000. It may decide otherwise.")
    assert "Your tax number, which in India is the PAN." in page.asked
    assert any("accepts for India" in line for line in page.asked)
    assert (page.limits[0].raised, page.is_raised_by_support) == ("Support can raise it", True)
    await visit.start()
    assert (page.link, page.problem) == ("", "")


async def test_a_person_who_may_try_again_in_the_widget_line_is_sent_to_the_payment_page(
    visit: Visit, monkeypatch: Any
) -> None:
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "off")
    get_settings.cache_clear()
    visit.stand("resubmit")
    state = (await visit.open()).page
    assert (state.page.action, state.page.asks_support, state.is_raised_by_support) == ("", True, False)
    assert state.page.what_now == "You can try again inside the payment page, the next time you pay."


async def test_whom_to_ask_stands_beside_limits_that_support_can_raise(
    visit: Visit, monkeypatch: Any
) -> None:
    visit.stand("approved", "basic")
    assert not (await visit.open()).page.is_raised_by_support
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "off")
    get_settings.cache_clear()
    assert (await visit.open()).page.is_raised_by_support


async def test_what_the_provider_publishes_after_its_longer_check_is_shown(
    visit: Visit, monkeypatch: Any
) -> None:
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "off")
    monkeypatch.delenv("LIMITS")  # The limits are in rupees, for which there is no rate here.
    get_settings.cache_clear()
    visit.books.owner.execute("UPDATE users SET country = 'BR'")
    page = (await visit.open()).page
    assert "R$4,500 for a first payment, and R$50,000 once you've passed its longer check" in page.published
    assert "Your tax number, which in Brazil is the CPF." in page.asked
    (line,) = (line for line in page.limits if "first payment" in line.label)
    assert line.raised == "R$50,000 after the provider's longer check"


async def test_what_needs_no_exchange_rate_is_shown_without_one(visit: Visit, monkeypatch: Any) -> None:
    assert not (await visit.open()).page.are_ours_unknown
    monkeypatch.setenv("LIMITS", '{"currency": "XOF", "none": {"per_day": "10"}}')
    get_settings.cache_clear()
    page = (await visit.open()).page
    assert page.are_ours_unknown
    assert [line.label for line in page.limits][:2] == [
        "Payment method, each top-up", "Onramp's published limit for a first payment",
    ]  # fmt: skip
    assert page.published


async def test_a_number_that_is_none_is_said_at_its_field(visit: Visit) -> None:
    page = (await visit.open()).page
    for form in ({"phone_code": "+91", "phone": "12"}, {"phone": "9999999999"}, {}, {"phone_code": "+91"}):
        await visit.start(form)
        assert "country code" in page.phone_problem
        assert (page.link, page.page.kind) == ("", "none")


async def test_the_provider_being_away_is_said_and_nothing_is_begun(visit: Visit) -> None:
    page = (await visit.open()).page
    visit.simulator.scenario("api_down", times=None)
    await visit.start()
    assert "isn't answering" in page.problem
    assert (page.link, page.page.kind, page.is_starting) == ("", "none", False)


async def test_a_link_of_another_origin_is_not_framed(visit: Visit, monkeypatch: Any) -> None:
    monkeypatch.setenv("ONRAMP_KYC_ORIGIN", "https://kyc.example.com")
    get_settings.cache_clear()
    page = (await visit.open()).page
    await visit.start()
    assert (bool(page.link), page.is_framed, page.frame_allow) == (True, False, "")


@pytest.mark.parametrize(
    "next_", ["https://evil.example", "//evil.example", "/home", "/add-moneyx", "/add-money/../profile", "x"]
)
async def test_the_way_back_leads_to_the_wizard_or_nowhere(visit: Visit, next_: str) -> None:
    assert (await visit.open(f"?next={next_}")).page.back_to == ""


async def test_hostile_arguments_start_nothing(visit: Visit) -> None:
    page = (await visit.open()).page
    for argument in (*HOSTILE, {"phone": []}, {"phone": {"a": 1}}, {"phone_code": 7, "phone": 7}):
        await visit.tab.send(HANDLERS["start"], argument)
        await visit.tab.send(HANDLERS["close"])
    assert (page.link, page.page.kind) == ("", "none")


async def test_a_link_is_put_away(visit: Visit) -> None:
    page = (await visit.open()).page
    await visit.start()
    await visit.tab.send(HANDLERS["close"])
    assert (page.link, page.code, page.frame_allow, page.page.kind) == ("", "", "", "started")
    assert page.page.action == "Continue verification"
