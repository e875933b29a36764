"""Failures of the provider, over real sockets: which errors callers get, and which requests are retried."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from onramp_app.domain.errors import ApplicationError, NotFound
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderAnswerUnreadable,
    ProviderBusy,
    ProviderCredentialsRefused,
    ProviderOrderGone,
    ProviderPriceIrregular,
    ProviderRequestRefused,
    ProviderUnavailable,
    UnsupportedAsset,
)
from onramp_app.providers.onramp.http import endpoints
from onramp_app.providers.onramp.http.breaker import BreakerState
from onramp_app.providers.onramp.http.endpoints import Endpoint
from onramp_app.providers.onramp.http.envelope import retry_after_seconds
from onramp_app.providers.onramp.http.transport import Transport
from tests.providers.fake_onramp import SECRET, FakeOnramp, Reply, Request, ok, refused

Connect = Callable[..., Transport]
BODY = {"type": 1, "fiatAmount": Decimal("1.5")}

ERRORS = [
    (400, ProviderRequestRefused, 503, 1),
    (401, ProviderCredentialsRefused, 503, 1),
    (403, ProviderCredentialsRefused, 503, 1),
    (404, ProviderRequestRefused, 503, 1),
    (406, UnsupportedAsset, 422, 1),
    (409, ProviderRequestRefused, 503, 1),
    (413, AmountOutOfLimits, 422, 1),
    (416, ProviderRequestRefused, 503, 1),
    (417, ProviderOrderGone, 404, 1),
    (428, ProviderPriceIrregular, 503, 1),
    (429, ProviderBusy, 503, 1),
    (500, ProviderUnavailable, 503, 3),
    (502, ProviderUnavailable, 503, 3),
    (503, ProviderUnavailable, 503, 3),
    (418, ProviderRequestRefused, 503, 1),
]


async def fails(transport: Transport, endpoint: Endpoint = endpoints.QUOTES) -> Any:
    with pytest.raises(ApplicationError) as failure:
        await transport.call(endpoint, BODY)
    return failure.value


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: str(row[0]))
async def test_each_row_of_the_error_table(
    onramp: FakeOnramp, connect: Connect, row: tuple[int, type[Exception], int, int]
) -> None:
    code, error, status, requests = row
    onramp.answers["quotes"] = refused(code, "some text of theirs")
    found = await fails(connect())
    assert type(found) is error
    assert found.status == status
    assert "theirs" not in str(found)
    assert onramp.count("quotes") == requests
    if isinstance(found, ProviderRequestRefused):
        assert found.provider_code == code
    if code >= 428:
        assert found.retry_after_seconds is None or found.retry_after_seconds >= 1


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: str(row[0]))
async def test_a_refusal_inside_http_200_is_the_same_refusal(
    onramp: FakeOnramp, connect: Connect, row: tuple[int, type[Exception], int, int]
) -> None:
    code, error, _, requests = row
    reply = refused(code)
    onramp.answers["quotes"] = Reply(status=200, body=reply.body.replace(str(code).encode(), b'"%d"' % code))
    assert type(await fails(connect())) is error
    assert onramp.count("quotes") == requests


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>maintenance</html>"),
        Reply(body=b""),
        Reply(body=b"[]"),
        Reply(body=b'{"status":1,"code":200}'),
        Reply(body=b'{"status":1,"code":200,"data":NaN}'),
        Reply(body=b'{"status":1,"code":200,"data":1e999999999}'),
        Reply(body=b'{"status":0}'),
        Reply(body=b"[" * 200_000),
        Reply(body=b'{"data":"\xff"}'),
        Reply(status=302, headers={"location": "https://evil.test/"}),
        Reply(status=204),
        Reply(body=b'{"status":1,"code":200,"data":"' + b"x" * 300_000 + b'"}'),
        Reply(body=b"\x1f\x8b", headers={"content-encoding": "gzip"}),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:30]!r}",
)
async def test_an_answer_that_is_not_the_documented_one_is_unreadable(
    onramp: FakeOnramp, connect: Connect, reply: Reply
) -> None:
    onramp.answers["quotes"] = reply
    assert type(await fails(connect(max_answer_bytes=250_000))) is ProviderAnswerUnreadable


async def test_an_error_page_without_an_envelope_is_judged_by_its_http_status(
    onramp: FakeOnramp, connect: Connect
) -> None:
    onramp.answers["merchantHistory"] = Reply(status=417, body=b"<html>")
    found = await fails(connect(), endpoints.MERCHANT_HISTORY)
    assert isinstance(found, ProviderOrderGone)
    assert isinstance(found, NotFound)
    onramp.answers["merchantHistory"] = Reply(status=503, body=b'{"status":1,"code":200,"data":{}}')
    assert type(await fails(connect(), endpoints.MERCHANT_HISTORY)) is ProviderUnavailable


BROKEN = [
    pytest.param(Reply(cut=True), id="cut off"),
    pytest.param(Reply(delay_seconds=30), id="silent"),
    pytest.param(Reply(body=b"x" * 200, drip_seconds=0.1), id="dripping"),
    pytest.param(refused(500), id="500"),
]
WRITES = [
    endpoints.SET_WEBHOOK_URL,
    endpoints.RESEND_WEBHOOK,
    endpoints.SEND_DUMMY_WEBHOOK,
    endpoints.KYC_URL,
]


@pytest.mark.parametrize("reply", BROKEN)
async def test_a_read_is_repeated_and_succeeds_when_the_provider_recovers(
    onramp: FakeOnramp, connect: Connect, reply: Reply
) -> None:
    left = [reply, reply]
    onramp.answers["quotes"] = lambda _: left.pop() if left else ok({"fine": True})
    answer = await connect(attempt_seconds=0.3).call(endpoints.QUOTES, BODY)
    assert answer.data == {"fine": True}
    assert onramp.count("quotes") == 3


@pytest.mark.parametrize("reply", BROKEN)
@pytest.mark.parametrize("endpoint", WRITES, ids=lambda endpoint: endpoint.name)
async def test_what_is_not_a_read_is_sent_once(
    onramp: FakeOnramp, connect: Connect, reply: Reply, endpoint: Endpoint
) -> None:
    name = endpoint.path.rsplit("/", 1)[1]
    onramp.answers[name] = reply
    assert type(await fails(connect(attempt_seconds=0.3), endpoint)) is ProviderUnavailable
    assert onramp.count(name) == 1


async def test_a_provider_that_is_away_is_unavailable_with_a_time_to_come_back(
    onramp: FakeOnramp, connect: Connect
) -> None:
    found = await fails(connect(url="http://127.0.0.1:9"))
    assert type(found) is ProviderUnavailable
    assert (found.status, found.code) == (503, "provider_unavailable")
    assert found.retry_after_seconds >= 1


@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_kept_without_asking_again(
    onramp: FakeOnramp, connect: Connect, code: int
) -> None:
    onramp.answers["quotes"] = refused(code, retry_after="120")
    onramp.answers["merchantHistory"] = ok([])
    transport = connect()
    first = await fails(transport)
    assert (first.status, first.retry_after_seconds) == (503, 120)
    onramp.answers["quotes"] = ok({})
    second = await fails(transport)
    assert 100 < second.retry_after_seconds <= 120
    assert onramp.count("quotes") == 1
    await transport.call(endpoints.MERCHANT_HISTORY, BODY)  # The other endpoints still work.


def test_retry_after_holds_seconds_or_a_date_and_has_bounds() -> None:
    assert [
        retry_after_seconds(text) for text in ("7", " 0 ", "99999999999", "soon", "", None, "-5", "٣")
    ] == [*(7, 1, 3600, None, None, None, None, None)]
    later = format_datetime(datetime.fromtimestamp(time.time() + 90, UTC), usegmt=True)
    assert 85 <= (retry_after_seconds(later) or 0) <= 91
    assert retry_after_seconds("Thu, 01 Jan 1970 00:00:00 GMT") == 1


def strict_clock(onramp: FakeOnramp) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        if int(request.signed["timestamp"]) > onramp.now_ms():
            return refused(401, "Ahead of Time")
        return ok({"fine": True})

    return answer


@pytest.mark.parametrize("ahead_ms", [-90_000, 0, 90_000])
async def test_a_wrong_clock_is_measured_before_the_first_signature(
    onramp: FakeOnramp, connect: Connect, ahead_ms: int
) -> None:
    onramp.clock_ahead_ms = ahead_ms
    onramp.answers["quotes"] = strict_clock(onramp)
    transport = connect()
    await transport.call(endpoints.QUOTES, BODY)
    assert (onramp.count("currentTimestamp"), onramp.count("quotes")) == (1, 1)
    assert abs(transport.clock.offset_ms - ahead_ms) < 500
    assert abs(onramp.requests[-1].signed["timestamp"] - onramp.now_ms()) < 1000


@pytest.mark.parametrize("endpoint", [endpoints.QUOTES, endpoints.SET_WEBHOOK_URL], ids=lambda e: e.name)
async def test_ahead_of_time_heals_itself(onramp: FakeOnramp, connect: Connect, endpoint: Endpoint) -> None:
    name = endpoint.path.rsplit("/", 1)[1]
    onramp.answers[name] = strict_clock(onramp)
    transport = connect()
    await transport.call(endpoint, BODY)
    onramp.clock_ahead_ms = -60_000  # Their clock is set back; ours is now ahead of it.
    await asyncio.gather(*(transport.call(endpoint, BODY) for _ in range(10)))
    assert onramp.count("currentTimestamp") == 2
    assert onramp.count(name) <= 1 + 20


async def test_a_clock_that_stays_ahead_is_refused_after_one_more_try(
    onramp: FakeOnramp, connect: Connect
) -> None:
    onramp.answers["quotes"] = refused(401, "Ahead of Time")
    assert type(await fails(connect())) is ProviderCredentialsRefused
    assert (onramp.count("quotes"), onramp.count("currentTimestamp")) == (2, 2)


@pytest.mark.parametrize(
    "reply", [refused(500), ok("soon"), Reply(body=b"x")], ids=["500", "text", "garbage"]
)
async def test_a_clock_that_cannot_be_measured_does_not_stop_calls(
    onramp: FakeOnramp, connect: Connect, reply: Reply
) -> None:
    onramp.answers |= {"currentTimestamp": reply, "quotes": ok({})}
    transport = connect()
    await transport.call(endpoints.QUOTES, BODY)
    await transport.call(endpoints.QUOTES, BODY)
    assert onramp.count("currentTimestamp") == 1
    assert transport.clock.offset_ms == 0


def only(secret: str) -> Callable[[Request], Reply]:
    return lambda request: ok({}) if request.is_signed_with(secret) else refused(401, "Invalid signature")


async def test_rotation_works_whichever_side_changes_first(onramp: FakeOnramp, connect: Connect) -> None:
    transport = connect(previous="old-secret")
    onramp.answers |= {"quotes": only("old-secret"), "setWebhookUrl": only("old-secret")}
    await transport.call(endpoints.SET_WEBHOOK_URL, {"webhookUrl": "https://a.test"})
    await transport.call(endpoints.QUOTES, BODY)
    assert (onramp.count("setWebhookUrl"), onramp.count("quotes")) == (2, 1)
    onramp.answers["quotes"] = only(SECRET)
    await transport.call(endpoints.QUOTES, BODY)
    await transport.call(endpoints.QUOTES, BODY)
    assert onramp.count("quotes") == 1 + 2 + 1


async def test_two_wrong_secrets_are_two_requests_and_one_is_one(
    onramp: FakeOnramp, connect: Connect
) -> None:
    onramp.answers["quotes"] = only("another")
    assert type(await fails(connect(previous="old-secret"))) is ProviderCredentialsRefused
    assert onramp.count("quotes") == 2
    assert type(await fails(connect())) is ProviderCredentialsRefused
    assert onramp.count("quotes") == 3


async def test_the_breaker_stops_one_endpoint_and_not_the_others(
    onramp: FakeOnramp, connect: Connect
) -> None:
    transport = connect(read_attempts=1, open_seconds=30)
    onramp.answers |= {"quotes": refused(500), "merchantHistory": ok([])}
    for _ in range(5):
        await fails(transport)
    errors = [await fails(transport) for _ in range(20)]
    assert onramp.count("quotes") == 5
    assert all(type(error) is ProviderUnavailable and error.retry_after_seconds > 20 for error in errors)
    await transport.call(endpoints.MERCHANT_HISTORY, BODY)
    assert transport.breaker(endpoints.QUOTES).state is BreakerState.OPEN
    assert transport.breaker(endpoints.MERCHANT_HISTORY).state is BreakerState.CLOSED


async def test_one_call_tries_a_provider_that_was_away_and_closes_the_breaker(
    onramp: FakeOnramp, connect: Connect
) -> None:
    transport = connect(read_attempts=1, open_seconds=0.05)
    onramp.answers["quotes"] = refused(500)
    for _ in range(5):
        await fails(transport)
    await asyncio.sleep(0.1)
    onramp.answers["quotes"] = Reply(status=500, delay_seconds=0.3)
    await asyncio.gather(*(fails(transport) for _ in range(10)))
    assert onramp.count("quotes") == 6
    onramp.answers["quotes"] = ok({})
    await asyncio.sleep(0.3)
    await transport.call(endpoints.QUOTES, BODY)
    assert transport.breaker(endpoints.QUOTES).state is BreakerState.CLOSED


async def test_refusals_never_open_the_breaker(onramp: FakeOnramp, connect: Connect) -> None:
    transport = connect()
    onramp.answers["quotes"] = refused(413)
    for _ in range(20):
        assert type(await fails(transport)) is AmountOutOfLimits
    assert transport.breaker(endpoints.QUOTES).state is BreakerState.CLOSED


async def test_a_canceled_trial_leaves_the_breaker_usable(onramp: FakeOnramp, connect: Connect) -> None:
    transport = connect(read_attempts=1, open_seconds=0.05)
    onramp.answers["quotes"] = refused(500)
    for _ in range(5):
        await fails(transport)
    await asyncio.sleep(0.1)
    onramp.answers["quotes"] = Reply(delay_seconds=5)
    trial = asyncio.create_task(transport.call(endpoints.QUOTES, BODY))
    await asyncio.sleep(0.1)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    onramp.answers["quotes"] = ok({})
    await transport.call(endpoints.QUOTES, BODY)


async def test_every_request_is_counted_and_timed(onramp: FakeOnramp, connect: Connect) -> None:
    def count(outcome: str) -> float:
        labels = {"endpoint": "quotes", "outcome": outcome}
        return REGISTRY.get_sample_value("provider_calls_total", labels) or 0.0

    before = {outcome: count(outcome) for outcome in ("ok", "refused", "fault")}
    transport = connect()
    for reply in (ok({}), refused(413)):
        onramp.answers["quotes"] = reply
        await asyncio.gather(transport.call(endpoints.QUOTES, BODY), return_exceptions=True)
    onramp.answers["quotes"] = refused(500)
    await fails(transport)
    assert {k: count(k) - n for k, n in before.items()} == {"ok": 1, "refused": 1, "fault": 3}
    assert (REGISTRY.get_sample_value("provider_call_seconds_count", {"endpoint": "quotes"}) or 0) >= 5


async def test_a_body_written_by_us_is_what_was_signed(onramp: FakeOnramp, connect: Connect) -> None:
    onramp.answers["quotes"] = ok({})
    await connect().call(endpoints.QUOTES, {"fiatAmount": Decimal("1e-7"), "text": 'ü"\\'})
    request = onramp.requests[-1]
    assert request.body == '{"fiatAmount":0.0000001,"text":"ü\\"\\\\"}'.encode()
    assert request.signed["body"] == json.loads(request.body)
