"""Keeps PostgreSQL's idle-in-transaction timer running after statements that were sent in a pipeline.

psycopg ends a pipeline with Sync, which has everything answered and starts the timer, and then with Flush,
which is unnecessary and, like any message, stops the timer. A process that is suspended just then would keep
its locks for good, whatever `idle_in_transaction_session_timeout` says. `executemany` is such a pipeline.
"""

from typing import Any

from psycopg import AsyncPipeline, connection_async
from psycopg.abc import PQGen


class _Pipeline(AsyncPipeline):
    def _exit_gen(self) -> PQGen[None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from self._fetch_gen(flush=False)


def end_pipelines_with_sync() -> None:
    """Make all pipelines of this process end with Sync alone, without Flush."""
    replaced: Any = connection_async
    replaced.AsyncPipeline = _Pipeline
