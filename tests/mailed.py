"""Reads mail from the outbox as the owner of the mailbox would."""

from typing import Any

import psycopg

from onramp_app.mail.links import MailLink, secret_of

Owner = psycopg.Connection[Any]


def mailed(owner: Owner) -> list[tuple[str, str]]:
    """Return the kind and recipient of every mail, oldest first."""
    return owner.execute("SELECT kind, recipient FROM outbox_mails ORDER BY created_at, id").fetchall()


def secret_in(owner: Owner, kind: str, *, to: str) -> str:
    """Return the secret of the link in the newest mail of a kind to an address."""
    row = owner.execute(
        "SELECT link_id, link_hash FROM outbox_mails WHERE kind = %s AND recipient = %s"
        " ORDER BY created_at DESC, id DESC LIMIT 1",
        (kind, to),
    ).fetchone()
    assert row is not None, f"no {kind} to {to}"
    secret = secret_of(MailLink(row[0], bytes(row[1])))
    assert secret is not None
    return secret
