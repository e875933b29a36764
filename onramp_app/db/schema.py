"""All tables together: whoever compares, creates or migrates the schema takes the metadata from here."""

from onramp_app.db import rate_tables, tables

METADATA = tables.Row.metadata
TABLE_MODULES = (tables, rate_tables)
