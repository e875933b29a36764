"""What browser tests are given: where the application runs, and how a page of it is opened."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page

PROJECT = Path(__file__).resolve().parents[2]

OpenPage = Callable[..., Awaitable[Page]]


@dataclass(frozen=True)
class Site:
    """The running application."""

    url: str
    database_url: str
