"""Decides what a look means for the evidence of a delivery. Pure functions; docs/money.md has the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onramp_app.cases.words import CaseKind
from onramp_app.chain.evidence import MISSING_AFTER, differs_from_recorded
from onramp_app.chain.networks import Token, token_of
from onramp_app.chain.receipts import Found, Look
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.words import PENDING, PROVEN, EvidenceState
from onramp_app.config import Settings
from onramp_app.domain.money import MAX_MINOR

# The time between two looks: a tenth of the delivery's age, within these bounds.
_AGE_SHARE = 10
_SOONEST = timedelta(seconds=1)
_LATEST_PENDING = timedelta(minutes=1)
_LATEST = timedelta(hours=6)
# Looks after confirmation: at 30 s, 2, 8 and 32 minutes, 2 hours. Deeper blocks do not leave a chain.
LOOKS_AFTER: Final[Sequence[timedelta]] = [timedelta(seconds=30 * 4**number) for number in range(5)]
_ONCE_MORE = timedelta(seconds=10)
_MAX_AWAY = 6  # 2⁶ seconds
_MAX_WHY = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """The consequences of a look: whether to judge the delivery again, and which cases open or close."""

    is_news: bool = False
    raises: tuple[tuple[CaseKind, str], ...] = ()
    answers: tuple[CaseKind, ...] = ()


def after_look(  # noqa: PLR0913 - what was seen of what, and by which rules
    row: ChainEvidence, look: Look, *, is_ours: bool, scale: int, settings: Settings, at: datetime
) -> Verdict:
    """Update the evidence with the result of a look, and return the consequences.

    Args:
        row: the evidence, locked.
        look: the result of the look.
        is_ours: False if another order has claimed what arrived.
        scale: the decimals of the asset in the books.
        settings: give the tolerance, and for how long a missing delivery is looked for.
        at: now.
    """
    before = row.state
    answers = (CaseKind.CHAIN_AWAY,) if row.away_since is not None else ()
    is_doubted = row.failures > 0 and row.away_since is None
    row.read_at, row.away_since, row.failures = at, None, 0
    if before in PROVEN:
        if look.found is Found.NOTHING and not is_doubted and before != EvidenceState.LEFT:
            # One URL may lead to several servers, one of which may lag behind the others.
            row.failures, row.next_look_at = 1, at + _ONCE_MORE
            return Verdict(answers=answers)
        return _after_proof(row, look, answers=answers, at=at)
    if row.block_hash is not None and look.block_hash != row.block_hash:
        row.unseen_since = at  # The block left the chain; the transaction may soon be in another one.
    row.block_number, row.block_hash = look.block_number, look.block_hash
    raises: list[tuple[CaseKind, str]] = []
    if look.found is Found.ARRIVED and is_ours:
        row.state, row.why, row.confirmed_at = EvidenceState.CONFIRMED.value, "", at
        row.amount_minor = _minor(look.units, token_of(row.asset, row.network), scale=scale)
        row.next_look_at = at + LOOKS_AFTER[0]
        tolerance = settings.onramp_tolerance_percent
        if row.credited_by and differs_from_recorded(row, row.amount_minor, tolerance_percent=tolerance):
            row.state = EvidenceState.DIFFERS.value
            raises.append((CaseKind.CHAIN_DIFFERS, "credited by hand, and the network shows another amount"))
        return Verdict(
            is_news=True,
            raises=tuple(raises),
            answers=(*answers, CaseKind.CHAIN_MISSING, CaseKind.CHAIN_LEFT),
        )
    why = _why_missing(row, look, is_ours=is_ours, at=at)
    row.state = EvidenceState.MISSING.value if why else EvidenceState.WAITING.value
    row.why = why
    row.next_look_at = _next_look(row, settings, at=at)
    if why and row.credited_by:
        raises.append((CaseKind.CHAIN_MISSING, f"credited by hand: {why}"))
    is_news = (before in PENDING) != (row.state in PENDING)
    return Verdict(is_news=is_news, raises=tuple(raises), answers=answers)


def after_away(row: ChainEvidence, reason: str, *, at: datetime) -> None:
    """Record in the evidence that no server answered. Proven or missing evidence keeps its state."""
    row.failures += 1
    row.away_since = row.away_since or at
    row.next_look_at = at + timedelta(seconds=2 ** min(row.failures, _MAX_AWAY))
    if row.state in PENDING:
        row.state, row.why = EvidenceState.AWAY.value, reason[:_MAX_WHY]


def _why_missing(row: ChainEvidence, look: Look, *, is_ours: bool, at: datetime) -> str:
    match look.found:
        case Found.ARRIVED if not is_ours:
            return "another order has this transfer"
        case Found.FAILED:
            return "the transaction failed"
        case Found.NO_TRANSFER:
            return "the transaction brought nothing of this asset to this address"
        case Found.NOTHING:
            return _why_unseen(row, at=at)
        case _:
            return ""


def _why_unseen(row: ChainEvidence, *, at: datetime) -> str:
    if token_of(row.asset, row.network) is None:
        return f"the contract of {row.asset} on {row.network} is not known"
    if row.state != EvidenceState.MISSING and at - row.unseen_since < MISSING_AFTER:
        return ""
    if row.transaction_hash is None:
        return "the provider names no transaction"
    return "no block of the network has the transaction"


def _next_look(row: ChainEvidence, settings: Settings, *, at: datetime) -> datetime | None:
    age = at - row.since
    if row.state == EvidenceState.MISSING and age > timedelta(days=settings.onramp_history_days):
        return None
    latest = _LATEST_PENDING if row.state in PENDING else _LATEST
    return at + min(max(age / _AGE_SHARE, _SOONEST), latest)


def _after_proof(row: ChainEvidence, look: Look, *, answers: tuple[CaseKind, ...], at: datetime) -> Verdict:
    """Update confirmed evidence after another look. Nothing is reversed here: a person decides."""
    number = min(row.looks_after + 1, len(LOOKS_AFTER))
    row.looks_after = number
    row.next_look_at = at + LOOKS_AFTER[number] if number < len(LOOKS_AFTER) else None
    if look.found in (Found.ARRIVED, Found.SHALLOW):
        row.block_number, row.block_hash = look.block_number, look.block_hash
        if row.state == EvidenceState.LEFT and look.found is Found.ARRIVED:
            row.state, row.why = EvidenceState.CONFIRMED.value, ""
            answers = (*answers, CaseKind.CHAIN_LEFT)
        return Verdict(answers=answers)
    # The evidence keeps the block in which the transaction was.
    row.why = f"block {row.block_number} left the chain after the delivery was confirmed"
    row.state = EvidenceState.LEFT.value
    return Verdict(raises=((CaseKind.CHAIN_LEFT, row.why),), answers=answers)


def _minor(units: int, token: Token | None, *, scale: int) -> int | None:
    """Convert the token's smallest units to minor units of the books; None if the books cannot hold them."""
    if token is None:
        return None
    minor, rest = divmod(units * 10**scale, 10**token.decimals)
    return minor if not rest and 0 < minor <= MAX_MINOR else None
