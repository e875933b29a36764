"""How a verification moves: one table for what the provider says, one rule for what operators may set.

Pure. Sources: the statuses of docs/onramp.md section 4, and decision 18.
"""

from dataclasses import dataclass

from onramp_app.accounts.words import KycStatus, KycTier
from onramp_app.providers.port import KycMeaning


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands: the status, and the tier that counts for limits."""

    status: KycStatus
    tier: KycTier


# What each meaning makes of each status; None: it changes nothing. A meaning that does not decide (a sign-in,
# a review) takes back neither an approval nor a refusal; one that decides always counts, because only a
# signed read says it.
_NEXT: dict[KycMeaning, dict[KycStatus, KycStatus | None]] = {
    KycMeaning.STARTED: {
        KycStatus.NONE: KycStatus.STARTED,
        KycStatus.STARTED: None,
        KycStatus.IN_REVIEW: None,
        KycStatus.APPROVED: None,
        KycStatus.REJECTED: None,
        KycStatus.RESUBMIT: KycStatus.STARTED,
    },
    KycMeaning.IN_REVIEW: {
        KycStatus.NONE: KycStatus.IN_REVIEW,
        KycStatus.STARTED: KycStatus.IN_REVIEW,
        KycStatus.IN_REVIEW: None,
        KycStatus.APPROVED: KycStatus.IN_REVIEW,  # a higher tier is being looked at, and the tier stays
        KycStatus.REJECTED: None,
        KycStatus.RESUBMIT: KycStatus.IN_REVIEW,
    },
    KycMeaning.APPROVED_BASIC: dict.fromkeys(KycStatus, KycStatus.APPROVED),
    KycMeaning.APPROVED_FULL: dict.fromkeys(KycStatus, KycStatus.APPROVED),
    KycMeaning.RESUBMIT: dict.fromkeys(KycStatus, KycStatus.RESUBMIT),
    KycMeaning.REJECTED: dict.fromkeys(KycStatus, KycStatus.REJECTED),
}
_APPROVED_TIERS = {KycMeaning.APPROVED_BASIC: KycTier.BASIC, KycMeaning.APPROVED_FULL: KycTier.FULL}
# Whose verification a person may take up again; the others wait, have nothing more to do, or were refused for
# good.
STARTABLE = frozenset({KycStatus.NONE, KycStatus.STARTED, KycStatus.APPROVED, KycStatus.RESUBMIT})


def on_meaning(before: Standing, meaning: KycMeaning | None) -> Standing:
    """Return where a person stands after a signed read; the same where it changes nothing.

    Args:
        before: where they stood.
        meaning: what the provider's word means; None for a word that we do not know.
    """
    status = None if meaning is None else _NEXT[meaning][before.status]
    if meaning is None or status is None:
        return before
    if meaning is KycMeaning.REJECTED:
        return Standing(status, KycTier.NONE)
    return Standing(status, _APPROVED_TIERS.get(meaning, before.tier))


def on_start(before: Standing) -> Standing:
    """Return where a person stands who takes up their verification. What they have stays theirs."""
    return Standing(KycStatus.STARTED, before.tier) if before.status is KycStatus.NONE else before


def can_start(standing: Standing) -> bool:
    """Return whether there is anything that the person could still do with the provider."""
    is_complete = standing.status is KycStatus.APPROVED and standing.tier is KycTier.FULL
    return standing.status in STARTABLE and not is_complete


def fault_of(standing: Standing) -> str | None:
    """Return why an operator cannot set this, or None."""
    if standing.status is KycStatus.APPROVED and standing.tier is KycTier.NONE:
        return "An approval needs a tier: basic or full."
    if standing.status in (KycStatus.NONE, KycStatus.REJECTED) and standing.tier is not KycTier.NONE:
        return f"Nobody who is {standing.status} has a tier."
    return None


_ORDER = tuple(KycTier)


def is_raise(before: Standing, after: Standing) -> bool:
    """Return whether a change lets the person do more than before."""
    is_reprieve = before.status is KycStatus.REJECTED and after.status is not KycStatus.REJECTED
    return is_reprieve or _ORDER.index(after.tier) > _ORDER.index(before.tier)
