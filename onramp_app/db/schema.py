"""All tables together: whoever compares, creates or migrates the schema takes the metadata from here."""

from onramp_app.db import (
    lease_tables,
    ledger_tables,
    operator_tables,
    provider_tables,
    rate_tables,
    tables,
    top_up_tables,
)
from onramp_app.db.columns import Row

METADATA = Row.metadata
TABLE_MODULES = (
    tables,
    top_up_tables,
    provider_tables,
    ledger_tables,
    rate_tables,
    operator_tables,
    lease_tables,
)
