"""The one place that asks what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime | None) -> str | None:
    """Return a moment in UTC as the public contract writes it, None for none."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
