"""The people and the client of the API's tests."""

from tests.api.conftest import ada, bo, client, new_person, wallet

__all__ = ["ada", "bo", "client", "new_person", "wallet"]
