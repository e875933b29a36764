"""Fixtures shared with the API's tests: the people and the client."""

from tests.api.conftest import ada, bo, client, new_person, wallet

__all__ = ["ada", "bo", "client", "new_person", "wallet"]
