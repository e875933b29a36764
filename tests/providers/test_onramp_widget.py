"""The address of the provider's payment page: the facts of the top-up, encoded, and nothing else."""

import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.domain.payments import PaymentKind
from onramp_app.providers.onramp.widget import (
    frame_name,
    framed_url,
    local_widget_url,
    new_recognition_id,
    unframed_url,
)
from onramp_app.providers.port import WidgetSession

BASE = "https://onramp.money/main"
SESSION = WidgetSession(
    recognition_id="0123456789abcdef0123456789abcdef",
    wallet_address="0x72c6668306f1d89425e86899b7444a0c2e5f25cf",
    coin_code="USDT",
    network="matic20",
    fiat_type=1,
    fiat_amount=Decimal("500.00"),
)
ALLOWED = {
    *("appId", "walletAddress", "coinCode", "network", "fiatAmount", "fiatType", "paymentMethod"),
    *("merchantRecognitionId", "redirectUrl", "addressTag", "phoneNumber", "lang"),
}


def query_of(session: WidgetSession) -> dict[str, str]:
    url = local_widget_url(BASE, session, app_id=7)
    assert url.startswith("https://onramp.money/main/buy/?")
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


def test_the_address_holds_the_facts_of_the_top_up_and_nothing_else() -> None:
    assert query_of(SESSION) == {
        "appId": "7",
        "walletAddress": SESSION.wallet_address,
        "coinCode": "usdt",
        "network": "matic20",
        "merchantRecognitionId": SESSION.recognition_id,
        "fiatType": "1",
        "fiatAmount": "500",
    }


def test_a_frame_gets_what_the_web_sdk_adds_and_a_tab_does_not() -> None:
    url = local_widget_url(BASE, replace(SESSION, phone_number="+90-9993749865"), app_id=7)
    framed = framed_url(url, "https://wallet.test")
    query = dict(parse_qsl(urlsplit(framed).query, strict_parsing=True))
    assert (query["mode"], query["origin"]) == ("embedded", "https://wallet.test")
    assert query["walletAddress"] == SESSION.wallet_address
    assert unframed_url(framed) == url


def test_the_name_of_the_frame_holds_our_colours() -> None:
    for is_dark, mode in ((False, "lightMode"), (True, "darkMode")):
        name = json.loads(frame_name(light_colour="#0e5a60", dark_colour="#5cc2be", is_dark=is_dark))
        assert name == {
            "theme-light-baseColor": "#0e5a60",
            "theme-dark-baseColor": "#5cc2be",
            "theme-default": mode,
        }


@pytest.mark.parametrize("kind", [PaymentKind.E_WALLET, PaymentKind.OTHER])
def test_a_kind_that_an_address_cannot_carry_is_chosen_on_the_page(kind: PaymentKind) -> None:
    assert "paymentMethod" not in query_of(replace(SESSION, payment_kind=kind))


def test_optional_facts_are_encoded_as_documented() -> None:
    full = replace(
        SESSION,
        payment_kind=PaymentKind.BANK_TRANSFER,
        address_tag="1234",
        language="pt",
        phone_number="+90-9993749865",
        redirect_url="https://wallet.test/add-money/1?a=b",
    )
    assert "phoneNumber=%2B90-9993749865" in local_widget_url(BASE + "/", full, app_id=7)
    query = query_of(full)
    assert (query["paymentMethod"], query["addressTag"], query["lang"]) == ("2", "1234", "pt")
    assert query["redirectUrl"] == "https://wallet.test/add-money/1?a=b"
    assert "lang" not in query_of(replace(SESSION, language="de"))


@pytest.mark.parametrize(
    "change",
    [
        {"recognition_id": "a" * 33},
        {"recognition_id": ""},
        {"recognition_id": "a-b"},
        {"wallet_address": "0x1&appId=2"},
        {"wallet_address": "short"},
        {"coin_code": "usdt#"},
        {"network": "matic20?x"},
        {"network": "mätic"},
        {"fiat_amount": Decimal(0)},
        {"fiat_amount": Decimal(-1)},
        {"fiat_amount": Decimal("NaN")},
        {"fiat_amount": Decimal("1e20")},
        {"fiat_type": 0},
        {"address_tag": "a b"},
        {"phone_number": "9993749865"},
        {"redirect_url": "javascript:alert(1)"},
    ],
)
def test_facts_no_top_up_can_have_are_refused_without_telling_the_value(change) -> None:
    with pytest.raises(ValueError, match=r"^[A-Za-z]+ cannot stand in a widget address$"):
        local_widget_url(BASE, replace(SESSION, **change), app_id=7)


@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.text(max_size=10),
    st.text(max_size=10),
    st.text(max_size=40),
)
def test_no_text_adds_a_parameter_or_leaves_its_own(recognition, wallet, coin, network, tag) -> None:
    session = replace(
        SESSION,
        recognition_id=recognition,
        wallet_address=wallet,
        coin_code=coin,
        network=network,
        address_tag=tag,
    )
    try:
        query = query_of(session)
    except ValueError:
        return
    assert set(query) <= ALLOWED
    assert (query["walletAddress"], query["merchantRecognitionId"]) == (wallet, recognition)


def test_recognition_ids_are_32_letters_and_digits_and_never_repeat() -> None:
    made = {new_recognition_id() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(len(text) == 32 and text.isalnum() and text.isascii() for text in made)
