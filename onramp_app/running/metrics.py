"""The content of `/metrics`: counters of this process, and gauges of the whole system read at each scrape.

System gauges are the same whichever process is scraped, so dashboards take their maximum, never their sum.
While the database does not answer in time they are missing and `database_up` is 0; all other metrics are
still returned.
"""

import asyncio
import hmac
import platform
import tomllib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from time import monotonic
from weakref import WeakKeyDictionary

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import PROJECT_DIR, get_settings
from onramp_app.db.engine import execute, pool_state, transaction
from onramp_app.db.migrate import latest_revision
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import DatabaseUnavailable, NotFound, Unauthenticated
from onramp_app.fleet.watch import end
from onramp_app.local.release import running_commit
from onramp_app.mail.views import backlog as mail_backlog
from onramp_app.outgoing_webhooks.views import backlog as webhook_backlog
from onramp_app.provider_orders.reader import LEASE
from onramp_app.top_ups.transitions import OPEN_SQL

CONTENT_TYPE = CONTENT_TYPE_LATEST
READ_SECONDS = 1.5
# More frequent scrapes get the cached reading, so that scrapes take no more than one connection.
FRESH_SECONDS = 1.0

# Each subquery uses a partial index over the unfinished rows.
_WAITING = text("""
SELECT 'webhooks' AS kind, count(*) AS number, extract(epoch FROM now() - min(received_at)) AS age
  FROM webhook_events WHERE handled_at IS NULL AND environment = :environment
UNION ALL
SELECT 'orders', count(*), extract(epoch FROM now() - min(read_at))
  FROM provider_orders WHERE version > applied_version AND apply_failures = 0 AND environment = :environment
UNION ALL
SELECT 'failing_orders', count(*), extract(epoch FROM now() - min(read_at))
  FROM provider_orders WHERE version > applied_version AND apply_failures > 0 AND environment = :environment
UNION ALL
SELECT 'sought_orders', count(*), extract(epoch FROM now() - min(first_seen_at))
  FROM provider_orders WHERE due_at IS NOT NULL AND read_failures > 0 AND environment = :environment
""")
_AGED = """
SELECT {name} AS name, CASE WHEN {at} > now() - interval '10 minutes' THEN '10m'
                            WHEN {at} > now() - interval '1 hour' THEN '1h'
                            WHEN {at} > now() - interval '1 day' THEN '1d' ELSE 'older' END AS age,
       count(*) AS number, extract(epoch FROM now() - min({at})) AS oldest
  FROM {table} WHERE {condition} AND environment = :environment GROUP BY 1, 2
"""
_TOP_UPS = text(
    _AGED.format(name="status", at="created_at", table="top_ups", condition=f"status IN ({OPEN_SQL})")
)
_CASES = text(_AGED.format(name="kind", at="opened_at", table="exceptions", condition="closed_at IS NULL"))
# Uses the partial index over held debits.
_HOLDS = text("""
SELECT count(*) AS number, extract(epoch FROM now() - min(expires_at)) AS overdue
  FROM debits WHERE status = 'held' AND environment = :environment
""")
_READER = text("""
SELECT until > clock_timestamp() AS is_held, extract(epoch FROM clock_timestamp() - worked_at) AS ago
  FROM leases WHERE name = :lease
""")

_log = structlog.get_logger(__name__)


def check_token(given: str | None) -> None:
    """Check the bearer token of a scrape.

    Raises:
        NotFound: METRICS_TOKEN is not set.
        Unauthenticated: the token is not that of METRICS_TOKEN.
    """
    expected = get_settings().metrics_token
    if expected is None:
        raise NotFound("METRICS_TOKEN is not set, so nothing is shown here.")
    if not hmac.compare_digest(expected.get_secret_value().encode(), (given or "").encode()):
        raise Unauthenticated("Send the token of METRICS_TOKEN as a bearer token.")


async def exposition() -> bytes:
    """Return all metrics in the Prometheus text format, within two seconds whatever is down."""
    system = await _system_reading().get()
    build = await asyncio.to_thread(_build)  # The first call reads and hashes the whole code.
    return generate_latest(REGISTRY) + generate_latest(_Read([build, *_pool(), *system]))


class _Read(Collector):
    """A collector of metric families that were read for one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _gauge(name: str, words: str, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, labels=labels)


@lru_cache(maxsize=1)
def _build() -> Metric:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    labels = ["version", "commit", "schema", "python"]
    family = _gauge("build_info", "1; which release this process runs.", labels)
    commit = running_commit(get_settings())
    family.add_metric([project["version"], commit, latest_revision(), platform.python_version()], 1)
    return family


def _pool() -> list[Metric]:
    connections = _gauge("database_pool_connections", "Connections of this process's pool.", ["state"])
    places = _gauge(
        "database_pool_places", "Places of a purpose in this process's pool.", ["purpose", "state"]
    )
    if (state := pool_state()) is not None:
        connections.add_metric(["in_use"], state.in_use)
        connections.add_metric(["free"], state.size - state.in_use)
        for purpose, (taken, most) in (
            ("top_up", state.top_up_places),
            ("background", state.background_places),
        ):
            places.add_metric([purpose, "in_use"], taken)
            places.add_metric([purpose, "free"], most - taken)
    return [connections, places]


class SystemReading:
    """Reads the system's gauges, one reading for all concurrent scrapes. Belongs to one event loop."""

    def __init__(self) -> None:
        self._reading: asyncio.Task[list[Metric]] | None = None
        self._read_until = 0.0
        self._families: list[Metric] = []

    async def get(self) -> list[Metric]:
        """Return the gauges, or only `database_up` if the database does not answer in time. Never raises."""
        if monotonic() < self._read_until:
            return self._families
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def _read(self) -> list[Metric]:
        reading = asyncio.create_task(_read_system())
        await asyncio.wait({reading}, timeout=READ_SECONDS)
        families = None
        if not reading.done():
            _ending.add(ending := asyncio.create_task(end(reading)))
            ending.add_done_callback(_ending.discard)
        elif (error := reading.exception()) is None:
            families = reading.result()
        elif not isinstance(error, DatabaseUnavailable):
            _log.error("the gauges of the system could not be read", exc_info=error)
        up = _gauge("database_up", "1 where the database answered this scrape in time.")
        up.add_metric([], families is not None)
        self._families = [up, *(families or ())]
        self._read_until = monotonic() + FRESH_SECONDS
        return self._families


_ending: set[asyncio.Task[None]] = set()


_readings = WeakKeyDictionary[asyncio.AbstractEventLoop, SystemReading]()


def _system_reading() -> SystemReading:
    return _readings.setdefault(asyncio.get_running_loop(), SystemReading())


def forget() -> None:
    """Drop the cached reading, before this process uses another database."""
    _readings.clear()


async def _read_system() -> list[Metric]:
    values = {"environment": current_environment().value}
    async with transaction() as db:
        return [
            *await _waiting(db, values),
            *await _aged(db, _TOP_UPS, values, "top_ups_open", "Open top-ups", "status"),
            *await _aged(db, _CASES, values, "cases_open", "Open cases", "kind"),
            *await _reader(db),
            *await _mails(db),
            *await _outgoing_webhooks(db),
            *await _holds(db, values),
        ]


async def _waiting(db: AsyncSession, values: dict[str, str]) -> list[Metric]:
    waiting = _gauge("backlog_waiting", "What waits to be read or applied.", ["kind"])
    ages = _gauge("backlog_age_seconds", "Age of the oldest that waits; 0 for none.", ["kind"])
    for row in await execute(db, _WAITING, values):
        waiting.add_metric([row.kind], row.number)
        ages.add_metric([row.kind], max(0.0, float(row.age or 0)))
    return [waiting, ages]


async def _aged(  # noqa: PLR0913, PLR0917 - how a table is counted and named
    db: AsyncSession, query: TextClause, values: dict[str, str], name: str, words: str, label: str
) -> list[Metric]:
    numbers = _gauge(name, f"{words}, by age (up to).", [label, "age"])
    ages = _gauge(f"{name}_oldest_age_seconds", f"{words}: age of the oldest.", [label])
    oldest: dict[str, float] = {}
    for row in await execute(db, query, values):
        numbers.add_metric([row.name, row.age], row.number)
        oldest[row.name] = max(oldest.get(row.name, 0.0), float(row.oldest))
    for kind, seconds in oldest.items():
        ages.add_metric([kind], seconds)
    return [numbers, ages]


async def _mails(db: AsyncSession) -> list[Metric]:
    stands = await mail_backlog(db)
    waiting = _gauge("mails_waiting", "Emails in the outbox that were not sent yet.")
    waiting.add_metric([], stands.waiting)
    age = _gauge("mails_overdue_age_seconds", "Age of the oldest email that is overdue; 0 for none.")
    age.add_metric([], stands.oldest_seconds)
    given_up = _gauge("mails_given_up", "Emails that were given up within the last day.")
    given_up.add_metric([], stands.given_up)
    return [waiting, age, given_up]


async def _outgoing_webhooks(db: AsyncSession) -> list[Metric]:
    stands = await webhook_backlog(db)
    values = {
        "outgoing_webhooks_waiting": ("Webhooks to programs that were not taken yet.", stands.waiting),
        "outgoing_webhooks_overdue_age_seconds": (
            "For how long the oldest webhook that could have been sent is due; 0 for none.",
            stands.overdue_seconds,
        ),
        "outgoing_webhooks_failed": ("Webhooks that were given up within the last day.", stands.failed),
    }
    gauges = []
    for name, (words, value) in values.items():
        gauges.append(_gauge(name, words))
        gauges[-1].add_metric([], value)
    endpoints = _gauge("webhook_endpoints_unwell", "Endpoints of programs that take nothing.", ["state"])
    endpoints.add_metric(["failing"], stands.failing)
    endpoints.add_metric(["disabled"], stands.disabled)
    return [*gauges, endpoints]


async def _holds(db: AsyncSession, values: dict[str, str]) -> list[Metric]:
    row = (await execute(db, _HOLDS, values)).one()
    open_ = _gauge("debit_holds_open", "Debits of which something is on hold.")
    open_.add_metric([], row.number)
    overdue = _gauge("debit_holds_overdue_age_seconds", "Since when the oldest hold has expired; 0 for none.")
    overdue.add_metric([], max(0.0, float(row.overdue or 0)))
    return [open_, overdue]


async def _reader(db: AsyncSession) -> list[Metric]:
    row = (await execute(db, _READER, {"lease": LEASE})).one_or_none()
    held = _gauge("reader_lease_held", "1 while some process of the fleet reads the provider.")
    held.add_metric([], row is not None and row.is_held)
    ago = _gauge("reader_read_age_seconds", "Time since the provider was last read whole by any process.")
    if row is not None and row.ago is not None:
        ago.add_metric([], float(row.ago))
    return [held, ago]
