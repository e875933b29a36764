"""All tables together: the metadata by which the schema is compared and migrated."""

from onramp_app import idempotency
from onramp_app.accounts import tables as account_tables
from onramp_app.cases import tables as case_tables
from onramp_app.chain import tables as chain_tables
from onramp_app.db.columns import Row
from onramp_app.debits import tables as debit_tables
from onramp_app.factors import tables as factor_tables
from onramp_app.fleet import tables as lease_tables
from onramp_app.ledger import tables as ledger_tables
from onramp_app.links import tables as link_tables
from onramp_app.mail import tables as mail_tables
from onramp_app.operators import tables as operator_tables
from onramp_app.outgoing_webhooks import tables as outgoing_tables
from onramp_app.pricing import tables as rate_tables
from onramp_app.programs import tables as program_tables
from onramp_app.provider_orders import tables as provider_tables
from onramp_app.recovery import tables as recovery_tables
from onramp_app.top_ups import tables as top_up_tables
from onramp_app.verification import tables as verification_tables

METADATA = Row.metadata
TABLE_MODULES = (
    account_tables,
    factor_tables,
    top_up_tables,
    provider_tables,
    ledger_tables,
    rate_tables,
    operator_tables,
    case_tables,
    chain_tables,
    debit_tables,
    idempotency,
    lease_tables,
    link_tables,
    mail_tables,
    outgoing_tables,
    program_tables,
    recovery_tables,
    verification_tables,
)
