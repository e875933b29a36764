"""Accounts, and books in which money arrives, as the tests of pages have them."""

from tests.web.conftest import books, new_account

__all__ = ["books", "new_account"]
