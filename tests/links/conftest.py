"""Fixtures: the API with the simulator, and a shop that creates add-money links for Ada."""

import pytest

from onramp_app.config import get_settings
from tests import rows
from tests.api.conftest import ada, bo, client, new_person, wallet
from tests.links.shop import SHOP, Shop
from tests.money import Wallet
from tests.people import Person

__all__ = ["ada", "bo", "client", "new_person", "wallet"]


@pytest.fixture
def shop(wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A program that knows Ada and whose site people may be returned to."""
    monkeypatch.setenv("RETURN_ORIGINS", SHOP)
    get_settings.cache_clear()
    program_id, key = rows.program(wallet.owner, name="Tea shop")
    rows.program_user(wallet.owner, program_id, ada.id)
    return Shop(wallet, ada.id, key)
