"""Puts webhooks into the inbox without HTTP: stored with their translation, as the application does."""

import base64
from dataclasses import astuple
from datetime import UTC, datetime

import psycopg
from psycopg.rows import scalar_row

from onramp_app.provider_orders.translation import translation_of
from onramp_app.providers.connection import get_webhook_reader
from onramp_app.providers.webhooks import SecretUsed

_INSERT = """
INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs, kind,
                            status_text, signed_at, is_content_signed, flow, order_id, fiat_type, ordered_at,
                            recognition_id)
VALUES ('simulator', %s, %s, %s, 'current', false, false, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""


def store(
    owner: psycopg.Connection, signed: bytes, *, body: bytes = b"", received_at: datetime | None = None
) -> int:
    """Store a signed payload, and return the id of its row."""
    reader, at = get_webhook_reader(), received_at or datetime.now(UTC)
    header = reader.verified_before(base64.b64encode(signed), SecretUsed.CURRENT)
    said = astuple(translation_of(reader.translate(header, body, received_at=at)))
    with owner.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_INSERT, (header.payload, body, at, *said)).fetchone()
