"""Resources that the tests of a folder or file share: started on first use, stopped after the last test."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import pytest

Started = TypeVar("Started")

_STARTED = pytest.StashKey[dict[str, Any]]()


def started_once(
    request: pytest.FixtureRequest,
    start: Callable[[], AbstractContextManager[Started]],
    *,
    per: type[pytest.Collector] = pytest.Dir,
) -> Started:
    """Return a resource that a fixture starts once for all tests of its folder, or file (`pytest.Module`).

    A session fixture would keep it until the whole run ends, and even an idle server takes a twentieth of a
    processor from the tests of other folders.
    """
    holder = next(node for node in request.node.iter_parents() if isinstance(node, per))
    started = holder.stash.setdefault(_STARTED, {})
    name = request.fixturename
    assert name is not None
    if name not in started:
        manager = start()
        started[name] = manager.__enter__()

        def end() -> None:
            del started[name]
            manager.__exit__(None, None, None)

        holder.addfinalizer(end)
    return started[name]  # type: ignore[no-any-return]
