"""Fixtures shared with the pages' tests: accounts, and books in which money arrives."""

from tests.web.conftest import books, new_account

__all__ = ["books", "new_account"]
