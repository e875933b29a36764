"""Checks the judgement of deliveries against their networks, where `CHAIN_RPC` names the network."""

from collections.abc import Mapping
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.evidence import begin_again, demand, drop, is_needed
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.words import PENDING, EvidenceState
from onramp_app.config import get_settings
from onramp_app.crediting.delivery import JudgedDelivery, proven
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.top_ups.transitions import Reason
from onramp_app.treasury.places import Place


class Proofs:
    """The chain evidence of a batch of orders, both already known and newly requested."""

    def __init__(self, db: AsyncSession, known: Mapping[str, ChainEvidence], *, at: datetime) -> None:
        self._db = db
        self._evidence = dict(known)
        self._at = at

    def let_go(self, order: OrderRecord, place: Place) -> bool:
        """Drop evidence that is not looked for any more, and return whether there was any."""
        known = self._evidence.get(order.id)
        if known is None or is_needed(place.network, known, get_settings()):
            return False
        drop(known)
        del self._evidence[order.id]
        return True

    def prove(
        self, order: OrderRecord, judged: JudgedDelivery, place: Place, *, scale: int
    ) -> JudgedDelivery:
        """Return the judgement of an unbooked delivery to our place, according to its network.

        The first call requests evidence from the network. Where networks are not asked, `judged` stands.
        """
        settings, known = get_settings(), self._evidence.get(order.id)
        if not is_needed(place.network, known, settings):
            return judged
        if known is not None and known.state == EvidenceState.LEFT and place.network in settings.chain_rpc:
            begin_again(known, at=self._at)
        evidence = demand(order, place, known=known, recorded_minor=judged.minor, at=self._at)
        self._evidence[order.id] = evidence
        self._db.add(evidence)
        tolerance = settings.onramp_tolerance_percent
        return proven(judged, order, evidence, scale=scale, tolerance_percent=tolerance)

    def is_asked(self, order: OrderRecord) -> bool:
        """Return whether the network decides about this order's delivery."""
        return order.id in self._evidence

    def has_answered(self, order: OrderRecord) -> bool:
        """Return whether the network has decided about this order's delivery."""
        return self.is_asked(order) and self._evidence[order.id].state not in PENDING

    def mark_differing(self, order: OrderRecord) -> None:
        """Mark the evidence: what arrived differs from the provider's record."""
        self._evidence[order.id].state = EvidenceState.DIFFERS.value

    def why(self, order: OrderRecord) -> str:
        """Return in words why the delivery is missing on its network."""
        return self._evidence[order.id].why

    def note(self, order: OrderRecord, judged: JudgedDelivery | None) -> str:
        """Return the timeline's note about the evidence, empty where there is none."""
        if judged is None or not self.is_asked(order):
            return ""
        if judged.is_awaited:
            return "awaited on its network"
        if judged.reason is Reason.CHAIN_MISSING:
            return self.why(order)
        return "seen on its network"
