"""Addresses from published examples: valid ones pass, and none passes with one mistyped character."""

import random

import pytest

from onramp_app.config import Settings
from onramp_app.treasury.address_forms import UnusableAddress, check_address, is_known
from onramp_app.treasury.keccak import keccak_256

# Examples of EIP-55, BIP 173, BIP 350, TEP-2, SEP-23, the genesis block, and well-known public accounts.
RIGHT = [
    ("erc20", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    ("matic20", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"),
    ("bep20", "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"),
    ("arbitrum", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"),
    ("erc20", "0x52908400098527886E0F7030069857D2E4169EE7"),
    ("erc20", "0xde709f2102306220921060314715629080e2fb77"),
    ("trc20", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
    ("spl", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),
    ("spl", "11111111111111111111111111111111"),
    ("btc", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("btc", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"),
    ("btc", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
    ("btc", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
    ("ton", "EQCD39VS5jcptHL8vMjEXrzGaRcCVYto7HUn4bpAOg8xqB2N"),
]
WITH_MEMO = [
    ("xrp", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"),
    ("xlm", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"),
]


@pytest.mark.parametrize(("network", "address"), RIGHT)
def test_a_right_address_passes(network: str, address: str) -> None:
    check_address(network, address)


@pytest.mark.parametrize(("network", "address"), WITH_MEMO)
def test_where_one_address_serves_many_the_memo_is_asked_for(network: str, address: str) -> None:
    check_address(network, address, memo="7")
    for memo in (None, ""):
        with pytest.raises(UnusableAddress, match="memo"):
            check_address(network, address, memo=memo)


def _carries_a_checksum(network: str, address: str) -> bool:
    digits = address[2:]
    return network != "spl" and not (address.startswith("0x") and digits in (digits.lower(), digits.upper()))


@pytest.mark.parametrize(
    ("network", "address"), [case for case in [*RIGHT, *WITH_MEMO] if _carries_a_checksum(*case)]
)
def test_a_mistyped_character_is_noticed(network: str, address: str) -> None:
    others = random.Random(7)
    for place in range(len(address)):
        other = others.choice([c for c in "0123456789abcdefABCDEFxyzXYZ" if c != address[place]])
        with pytest.raises(UnusableAddress):
            check_address(network, address[:place] + other + address[place + 1 :], memo="7")


@pytest.mark.parametrize(("network", "address"), [*RIGHT, *WITH_MEMO])
def test_an_address_of_another_length_or_network_is_refused(network: str, address: str) -> None:
    # A shortened Solana address may be valid: it has no checksum.
    shorter = "" if network == "spl" else address[:-1]
    for wrong in (shorter, address + "1", "", f" {address}", address + "\n", "é" + address[1:]):
        with pytest.raises(UnusableAddress):
            check_address(network, wrong, memo="7")
    family = "0x" if address.startswith("0x") else network
    for elsewhere, other in [*RIGHT, *WITH_MEMO]:
        if ("0x" if other.startswith("0x") else elsewhere) != family:
            with pytest.raises(UnusableAddress):
                check_address(network, other, memo="7")


@pytest.mark.parametrize(
    ("network", "address", "reason"),
    [
        ("ton", "kQCD39VS5jcptHL8vMjEXrzGaRcCVYto7HUn4bpAOg8xqKZ3", "test network|checksum"),
        ("btc", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "another network"),
        ("btc", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "checksum|length|base58"),
        ("btc", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "checksum"),
        ("btc", "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "bech32"),
        ("btc", "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "length"),
        ("btc", "bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "mixes"),
        ("trc20", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "another network"),
    ],
)
def test_the_message_says_why(network: str, address: str, reason: str) -> None:
    with pytest.raises(UnusableAddress, match=reason):
        check_address(network, address)


def test_a_network_we_do_not_know_is_not_judged() -> None:
    assert not is_known("nosuchnet")
    check_address("nosuchnet", "anything")


def test_the_simulated_addresses_are_right() -> None:
    for network, addresses in Settings.model_fields["treasury_addresses"].default.items():
        for address in addresses:
            check_address(network, address.address, memo=address.memo)


def test_keccak_is_ethereums_and_not_the_standards() -> None:
    assert keccak_256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak_256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    assert keccak_256(b"a" * 136) != keccak_256(b"a" * 135)
