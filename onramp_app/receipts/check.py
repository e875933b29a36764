"""The public check of a receipt: whether this application made it, and whether it still says what is so.

The answer holds no more than the receipt has printed, and of its holder only beginnings: enough to compare
with the paper, and nothing for somebody who has the code alone.
"""

import hmac
from dataclasses import dataclass

from onramp_app.accounts.sessions import Client
from onramp_app.domain.networks import network_of
from onramp_app.receipts import words
from onramp_app.receipts.codes import read_code
from onramp_app.receipts.facts import Holder, facts_for_check
from onramp_app.receipts.words import Line
from onramp_app.throttle import throttle

_HIDDEN = "\N{BULLET}" * 3


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A genuine receipt in the words of the current language.

    `is_current`: the transaction is still as the receipt says. Otherwise `title` and `statement` say how it
    stands now, and `lines` hold only what no change touches.
    """

    is_current: bool
    title: str
    statement: str
    head: str
    lines: tuple[Line, ...]


async def check(code: object, client: Client) -> CheckedReceipt | None:
    """Return what is known of a receipt by its code; None where this application has made none.

    Raises:
        RateLimited: too many checks from this network.
        DatabaseUnavailable: nobody can say it now.
    """
    await throttle.attempt(throttle.RECEIPT_CHECK, network_of(client.address))
    claim = read_code(code)
    facts = await facts_for_check(claim.transaction_id, user_id=None) if claim else None
    if claim is None or facts is None:
        return None
    is_current = hmac.compare_digest(claim.digest, facts.digest())
    return CheckedReceipt(
        is_current=is_current,
        title=words.title_of(facts),
        statement=words.statement_of(facts),
        head=words.head_of(facts) if is_current else "",
        lines=words.checked_lines(facts, holder=_hidden(facts.holder), is_current=is_current),
    )


def _hidden(holder: Holder) -> str:
    """Return the holder as `A••• K•••, a•••@e•••`: what shows whether the name on paper was changed."""
    name = " ".join(f"{part[0]}{_HIDDEN}" for part in words.plain_text(holder.name).split()[:3])
    account, _at, domain = holder.email.partition("@")
    address = f"{account[:1]}{_HIDDEN}@{domain[:1]}{_HIDDEN}" if domain else ""
    return ", ".join(part for part in (name, address) if part)
