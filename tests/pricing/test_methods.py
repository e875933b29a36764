"""Payment methods have the right names, whichever number the provider lists them under."""

import json
from pathlib import Path

import pytest

from onramp_app.domain.payments import PaymentKind
from onramp_app.pricing.methods import Rail, rail_of, rail_text
from onramp_app.pricing.names import method_name

LISTED = json.loads((Path(__file__).parents[1] / "fixtures/onramp/payment_methods.json").read_text())


@pytest.mark.parametrize(
    ("code", "kind", "name", "rail"),
    [
        ("WIRE", 1, "Wire transfer", "Bank transfer"),
        ("ACH", 2, "ACH transfer", "Bank transfer"),
        ("WIREAR", 1, "Bank transfer", "Bank transfer"),
        ("WIREPE-INTERBANK", 2, "Interbank transfer", "Bank transfer"),
        ("SEPA_BANK_TRANSFER", 2, "SEPA transfer", "Bank transfer"),
        ("NG-BANK-TRANSFER", 2, "Bank transfer", "Bank transfer"),
        ("UPI", 1, "UPI", "In your bank's app"),
        ("VIET-QR", 1, "VietQR", "By QR code"),
        ("MOBILE-MONEY", 1, "Mobile money", "Mobile money"),
        ("E_WALLET", 3, "E-wallet", "E-wallet"),
        ("SOMETHING_NEW", 1, "Something New", "You choose how on the payment page"),
        ("SOMETHING_NEW", 2, "Something New", "Bank transfer"),
    ],
)
def test_a_method_is_called_what_it_is(code, kind, name, rail):
    assert (method_name(code), rail_text(rail_of(code, PaymentKind(kind)))) == (name, rail)


def test_every_method_that_the_provider_lists_has_a_rail():
    listed = {code: PaymentKind(kind) for methods in LISTED.values() for code, kind in methods.items()}
    assert "WIRE" in listed
    assert {code for code, kind in listed.items() if rail_of(code, kind) is Rail.OTHER} == set()
