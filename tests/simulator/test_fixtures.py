"""The provider's published tables and samples, byte for byte."""

import hashlib
from pathlib import Path

import pytest

PINNED = {
    "fiat_types.json": "d77ce0e52f452688c5d4ed12241de0cc800cc1c41950ea8a681adc39272a2389",
    "limits.response.json": "a0eb170803b4b7372d8ac2d4e4e07a2f25850c06c27ae540dcf851448ea70979",
    "merchant_history.response.json": "b325246bdb660a9f831d3020f4e264b93d3bed4fde9e2be59ff2d9dde6980bce",
    "order_status.response.json": "5d65c256588d6f547441091c50034b1b79f57cb60eaaf872fd6c27ae10da9c0c",
    "order_statuses.json": "4ed63a25711ac4f0902c00afcbf22afeed919208d7672f16b0f20ed32e3288ed",
    "payment_methods.json": "d2bf74d6f96932377339cb156f97464ad8101d2c5ad167acb2b713730578ecc8",
    "quote.response.json": "aed7a5a6c32b2b4f42feaf8f7eedf65865144252d9ac8141c750f35192ae78a2",
    "signature_vectors.json": "69c3da8ba089c789f68bb73b5d17ddf6452cb4be0886070fda6f54ecda75ce59",
    "webhook_buy.json": "e714aa53761408d420df50df3cfdf182bab968ee38c9c1e5f4a083a0b82a2228",
    "widget_events.json": "fc5576f126c2d7e3f11027f98c22d3876aead0e30f078077b8dd54c09d23ede9",
}
SHIPPED = Path(__file__).parents[2] / "onramp_app" / "simulator" / "market" / "data"


def test_fixtures_are_the_pinned_bytes(fixtures: Path) -> None:
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in fixtures.iterdir()} == PINNED


@pytest.mark.parametrize("name", sorted(set(PINNED) & {file.name for file in SHIPPED.iterdir()}))
def test_the_package_ships_the_same_bytes(fixtures: Path, name: str) -> None:
    assert (SHIPPED / name).read_bytes() == (fixtures / name).read_bytes()


def test_the_package_ships_the_tables_it_needs() -> None:
    tables = {"fiat_types.json", "limits.response.json", "order_statuses.json", "payment_methods.json"}
    assert tables < {file.name for file in SHIPPED.iterdir()}
