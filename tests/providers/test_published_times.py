"""How long payments take according to published times: no time, unless their network says otherwise."""

import pytest

from onramp_app.domain.payments import PaymentKind, PublishedTime
from onramp_app.providers.onramp.published_times import published_time


@pytest.mark.parametrize(
    ("code", "kind", "time"),
    [
        ("UPI", PaymentKind.INSTANT, PublishedTime()),
        ("IMPS", PaymentKind.BANK_TRANSFER, PublishedTime()),
        ("GCASH", PaymentKind.E_WALLET, PublishedTime()),
        ("WIRE", PaymentKind.INSTANT, PublishedTime((1, 2))),
        ("ACH", PaymentKind.BANK_TRANSFER, PublishedTime((1, 3))),
        ("SOMETHING", PaymentKind.OTHER, None),
    ],
)
def test_what_is_published_of_a_method(code, kind, time):
    assert published_time(code, kind) == time
