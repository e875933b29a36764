"""Keeps PostgreSQL counting how long a transaction has been idle after statements that went in a pipeline.

psycopg ends a pipeline with Sync, which answers everything and begins the count, and with Flush, which is not
needed and, as any message, ends the count. A process that is stopped just then would keep its locks for good,
whatever `idle_in_transaction_session_timeout` says. `executemany` is such a pipeline.
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
    """Have all pipelines of this process end without Flush."""
    replaced: Any = connection_async
    replaced.AsyncPipeline = _Pipeline
