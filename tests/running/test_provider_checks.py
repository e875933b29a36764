"""The operator's check reports on the provider in use: app ids, addresses, webhooks, reading."""

from dataclasses import replace

import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.providers.port import Chain, CoinsAndChains
from onramp_app.running import provider_checks
from onramp_app.running.parts import UnwellError
from onramp_app.setting_forms import TreasuryAddress

POLYGON = Chain(3, "matic20", "Polygon", None, address_pattern="^(0x)[0-9A-Fa-f]{40}$", memo_pattern=None)
ADDRESS = "0x72c6668306f1d89425e86899b7444a0c2e5f25cf"
TREASURY = TreasuryAddress(address=ADDRESS)


def _settings(**values: object):
    places = {"assets": {"USDT": ("matic20",)}, "treasury_addresses": {"matic20": (TREASURY,)}}
    return get_settings().model_copy(update={**places, **values})


@pytest.mark.parametrize("app_id", [1, 2])
async def test_a_demonstrations_app_id_is_named_outside_production_too(app_id: int) -> None:
    with pytest.raises(UnwellError, match="demonstrations"):
        await provider_checks.app_id(_settings(onramp_app_id=app_id))
    assert "1000" in await provider_checks.app_id(_settings(onramp_app_id=1000))


def test_addresses_are_compared_with_the_providers_own_pattern() -> None:
    assert "fits" in provider_checks.refuse_addresses(_settings(), CoinsAndChains({}, {3: POLYGON}))
    other = replace(POLYGON, address_pattern="^T.{33}$")
    with pytest.raises(UnwellError, match="an address of matic20") as refused:
        provider_checks.refuse_addresses(_settings(), CoinsAndChains({}, {3: other}))
    assert ADDRESS not in str(refused.value)
    nothing = provider_checks.refuse_addresses(_settings(), CoinsAndChains({}, {}))
    assert "no pattern for addresses of matic20" in nothing


def test_chains_that_are_read_are_the_ones_that_the_provider_means() -> None:
    servers = {"chain_rpc": {"matic20": ("https://polygon.example/key",)}}
    polygon = replace(POLYGON, evm_id=137)
    assert provider_checks.refuse_other_chains(_settings(), CoinsAndChains({}, {3: polygon})) == ""
    said = provider_checks.refuse_other_chains(_settings(**servers), CoinsAndChains({}, {3: polygon}))
    assert said == " The provider means the same chains by the names in CHAIN_RPC."
    for unknown in (POLYGON, replace(polygon, symbol="erc20")):
        found = CoinsAndChains({}, {3: unknown})
        assert provider_checks.refuse_other_chains(_settings(**servers), found) == ""
    amoy = CoinsAndChains({}, {3: replace(polygon, evm_id=80002)})
    with pytest.raises(
        UnwellError, match="matic20 is chain 80002 to the provider, and CHAIN_RPC reads chain 137"
    ):
        provider_checks.refuse_other_chains(_settings(**servers), amoy)


@pytest.mark.parametrize(
    ("is_content_signed", "signed_at", "said"),
    [
        (True, "now()", "carried the event and its time"),
        (True, "NULL", "ONRAMP_WEBHOOK_MAX_AGE_SECONDS cannot apply"),
        (False, "now()", "a time and no event"),
        (False, "NULL", "neither the event nor a time"),
    ],
)
async def test_what_the_first_webhooks_header_carried_is_said(
    database: str, is_content_signed: bool, signed_at: str, said: str
) -> None:
    assert "None has come yet" in await provider_checks.webhooks(get_settings())
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs,"
            " kind, is_content_signed, signed_at, replays) VALUES ('simulator', 'h', 'b', now(), 'current',"
            f" false, false, 'onramp', %s, {signed_at}, 0)",
            (is_content_signed,),
        )
    assert said in await provider_checks.webhooks(get_settings())
