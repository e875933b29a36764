"""Which networks and assets can be read, and which settings prevent the start."""

import json
from pathlib import Path

import pytest

from onramp_app.chain.networks import NETWORKS, confirmations_of, refuse_unreadable, tokens, transaction_page
from onramp_app.config import ConfigurationError, Settings, get_settings, load_settings
from onramp_app.domain.decimals import decimals_of
from onramp_app.running.lifecycle import worker
from onramp_app.treasury.keccak import keccak_256

RPC = '{"matic20": ["https://polygon.mycompany.io/v2/key"]}'
HASH = "0x" + "ab" * 32


def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load_settings(tmp_path)


def test_each_network_agrees_with_what_the_provider_publishes(project_dir: Path) -> None:
    published = json.loads((project_dir / "onramp_app/simulator/market/data/catalog.json").read_text())
    by_symbol = {network["chainSymbol"]: network for network in published["networks"].values()}
    for name, network in NETWORKS.items():
        theirs = by_symbol[name]
        assert (network.chain_id, network.confirmations, network.explorer) == (
            theirs["networkId"],
            theirs["confirmations"],
            theirs["hashLink"],
        )


def test_each_contract_is_the_one_of_the_catalogue(project_dir: Path) -> None:
    published = json.loads((project_dir / "onramp_app/simulator/market/data/catalog.json").read_text())
    ids = {network["chainSymbol"]: chain_id for chain_id, network in published["networks"].items()}
    for asset, network, token in tokens():
        theirs = published["coins"][asset.lower()]["networks"][ids[network]].get("token")
        assert (token.contract, token.decimals) == (
            (theirs["address"], theirs["decimals"]) if theirs else (None, 18)
        )


def test_the_books_keep_what_a_token_can_carry() -> None:
    # BTC has 8 decimals in the books; finer amounts of its token wait for an operator.
    for asset, network, token in tokens():
        assert decimals_of(asset, network) == (8 if asset == "BTC" else token.decimals)


def test_the_topic_of_a_transfer_is_the_hash_of_its_signature() -> None:
    from onramp_app.chain.receipts import TRANSFER

    assert "0x" + keccak_256(b"Transfer(address,address,uint256)").hex() == TRANSFER


def test_confirmations_are_the_networks_own_or_the_operators(tmp_path, monkeypatch) -> None:
    given = settings(tmp_path, monkeypatch, CHAIN_RPC=RPC, CHAIN_CONFIRMATIONS='{"matic20": 200}')
    assert confirmations_of(NETWORKS["matic20"], given) == 200
    assert confirmations_of(NETWORKS["erc20"], given) == 12
    refuse_unreadable(given)
    assert "/v2/key" not in repr(given)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"CHAIN_RPC": '{"trc20": ["https://tron.mycompany.io"]}'}, "CHAIN_RPC names trc20; the networks"),
        ({"CHAIN_CONFIRMATIONS": '{"spl": 3}'}, "CHAIN_CONFIRMATIONS names spl; the networks"),
        (
            {"CHAIN_RPC": RPC, "ASSETS": '{"BNB": ["matic20"]}'},
            "CHAIN_RPC names matic20, where ASSETS offers BNB, whose contract there is not known",
        ),
    ],
)
def test_what_cannot_be_read_stops_the_start(tmp_path, monkeypatch, values, sentence) -> None:
    given = settings(tmp_path, monkeypatch, **values)
    with pytest.raises(ConfigurationError, match=sentence):
        refuse_unreadable(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAIN_RPC", "https://polygon.mycompany.io"),
        ("CHAIN_RPC", '{"matic20": []}'),
        ("CHAIN_RPC", '{"matic20": "https://polygon.mycompany.io"}'),
        ("CHAIN_RPC", '{"matic20": ["wss://polygon.mycompany.io"]}'),
        ("CHAIN_RPC", '{"matic20": ["https://"]}'),
        ("CHAIN_RPC", json.dumps({"matic20": ["https://polygon.mycompany.io"] * 9})),
        ("CHAIN_RPC", json.dumps({"matic20": ["https://polygon.mycompany.io/" + "k" * 2000]})),
        ("CHAIN_CONFIRMATIONS", '{"matic20": 0}'),
        ("CHAIN_CONFIRMATIONS", '{"matic20": 10001}'),
        ("CHAIN_CONFIRMATIONS", '{"matic20": 1.5}'),
        ("CHAIN_CONFIRMATIONS", "64"),
    ],
)
def test_a_setting_of_another_form_is_refused_in_a_sentence(tmp_path, monkeypatch, name, value) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name} .*cannot be used: [^\n]+\.$") as refusal:
        settings(tmp_path, monkeypatch, **{name: value})
    assert "polygon" not in str(refusal.value)


def test_a_page_of_the_explorer_is_made_of_hashes_only() -> None:
    assert transaction_page("matic20", HASH) == f"https://polygonscan.com/tx/{HASH}"
    assert transaction_page("spl", HASH) is None
    assert transaction_page("matic20", "javascript:alert(1)") is None


@pytest.mark.usefixtures("database")
async def test_a_process_does_not_start_with_a_network_that_it_cannot_read(monkeypatch) -> None:
    monkeypatch.setenv("CHAIN_RPC", '{"trc20": ["https://tron.mycompany.io"]}')
    get_settings.cache_clear()
    with pytest.raises(
        ConfigurationError, match=r"^CHAIN_RPC names trc20; the networks it can name are .*\.$"
    ):
        async with worker(get_settings()):
            raise AssertionError("it started")
