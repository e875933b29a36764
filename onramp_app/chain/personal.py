"""The chain evidence of a person's deliveries, for their data file."""

from onramp_app.db.personal import Inner

EVIDENCE = Inner(
    name="chain_evidence",
    shows={
        "environment": "chain_evidence.environment",
        "asset": "chain_evidence.asset",
        "network": "chain_evidence.network",
        "address": "chain_evidence.address",
        "transaction_hash": "chain_evidence.transaction_hash",
        "state": "chain_evidence.state",
        "why": "chain_evidence.why",
        "block_number": "chain_evidence.block_number",
        "block_hash": "chain_evidence.block_hash",
        "since": "chain_evidence.since",
        "confirmed_at": "chain_evidence.confirmed_at",
    },
    amounts={"recorded": "chain_evidence.recorded_minor", "amount": "chain_evidence.amount_minor"},
    source="chain_evidence JOIN provider_orders ON provider_orders.id = chain_evidence.provider_order_id"
    " JOIN assets ON assets.code = chain_evidence.asset",
    by="provider_orders.top_up_id",
    order=("chain_evidence.provider_order_id",),
)
