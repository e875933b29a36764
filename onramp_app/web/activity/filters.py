"""The filters of `/activity` as its address holds them, under the same names as in the API.

Anybody can write an address, so a filter that cannot be used is left out, and the page says so.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.texts import _
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.search import MAX_LENGTH as MAX_SEARCH
from onramp_app.wallet.transaction_queries import Filters
from onramp_app.web.activity.shapes import ActivityFilter
from onramp_app.web.words.top_ups import tag_of

AFTER = "after"
NAMES = ("status", "asset", "payment_method", "from", "to", "search", "q")
_ASSET = re.compile(r"[A-Z0-9.]{1,20}", re.ASCII)
_EXACT = re.compile(r"[!-~]{1,128}", re.ASCII)
_CODE = re.compile(r"[!-~]{1,64}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_STATUSES = frozenset(status.value for status in TopUpStatus)


def usable_filters(given: Mapping[str, object]) -> tuple[ActivityFilter, bool]:
    """Return the usable filters of an address or a form, and whether all of them were usable.

    The names are `status`, `asset`, `payment_method`, `from`, `to` (RFC 3339 with a zone), `search` and `q`.
    """
    found = {
        "status": _text(given, "status"),
        "asset": _text(given, "asset").upper(),
        "since": _moment(_text(given, "from")),
        "before": _moment(_text(given, "to")),
        "q": _text(given, "q"),
        "method": _text(given, "payment_method"),
        "search": _typed(given, "search"),
    }
    if found["status"] not in _STATUSES:
        found["status"] = ""
    for name, shape in (("asset", _ASSET), ("q", _EXACT), ("method", _CODE)):
        if not shape.fullmatch(found[name]):
            found[name] = ""
    asked = sum(bool(given.get(name)) for name in NAMES)
    return ActivityFilter(**found), asked == sum(bool(value) for value in found.values())


def after_of(given: Mapping[str, object]) -> str | None:
    """Return the cursor in an address, or None. Reading the list finds out whether the cursor is valid."""
    cursor = _text(given, AFTER)
    return cursor if 0 < len(cursor) <= MAX_LENGTH else None


def filters_of(wanted: ActivityFilter) -> Filters:
    """Return the filters as `wallet.transactions` takes them."""
    return Filters(
        status=TopUpStatus(wanted.status) if wanted.status else None,
        asset=wanted.asset or None,
        since=datetime.fromisoformat(wanted.since) if wanted.since else None,
        before=datetime.fromisoformat(wanted.before) if wanted.before else None,
        q=wanted.q or None,
        method=wanted.method or None,
        search=wanted.search or None,
    )


def query_of(wanted: ActivityFilter, *, after: str = "") -> str:
    """Return the filters as they follow a path: `?asset=USDT`, or nothing."""
    values = {**given_of(wanted), AFTER: after}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"?{query}" if query else ""


def status_text(status: TopUpStatus) -> str:
    """Return a state as a filter names it: those that look the same in the list are told apart."""
    if status is TopUpStatus.AWAITING_PAYMENT:
        return _("Waiting for payment, page opened")
    return tag_of(status)[0]


def given_of(wanted: ActivityFilter) -> dict[str, str]:
    """Return the filters by their names in an address."""
    return {
        "status": wanted.status,
        "asset": wanted.asset,
        "payment_method": wanted.method,
        "from": wanted.since,
        "to": wanted.before,
        "search": wanted.search,
        "q": wanted.q,
    }


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name)
    return value.strip() if isinstance(value, str) and len(value) <= 256 else ""


def _typed(given: Mapping[str, object], name: str) -> str:
    """Return what somebody typed, on one line, or "" for what is no text or too long to be looked for."""
    text = " ".join(_text(given, name).split())
    return text if len(text) <= MAX_SEARCH and text.isprintable() else ""


def _moment(text: str) -> str:
    if not _MOMENT.fullmatch(text):
        return ""
    try:
        # In UTC, because the plus sign of an offset would be read as a blank. Fails outside the calendar.
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat().replace("+00:00", "Z")
