"""What the wallet's API offers programs. Written by `generate.py`; change nothing here.

Amounts are decimal texts, times are RFC 3339 in UTC, and ids are texts without a meaning.
"""

from typing import Any, Literal, NotRequired, TypedDict
from urllib.parse import quote

from wallet_client.calls import OMITTED, Calls


class LowBalanceBody(TypedDict):
    """Below which available amount of an asset the program wants a webhook `balance.low`."""

    asset: str
    amount: str


class LowBalanceAnswer(TypedDict):
    """An amount of an asset."""

    asset: str
    amount: str


class PersonAnswer(TypedDict):
    """A person as the program knows them; never their name or address."""

    id: str
    external_id: str
    is_claimed: bool
    country: str | None
    display_currency: str
    balance_low: LowBalanceAnswer | None
    created_at: str


class DisplayAnswer(TypedDict):
    """What the available balance is worth; null while there is no exchange rate for all of it."""

    amount: str | None
    currency: str


class AssetBalanceAnswer(TypedDict):
    """One asset. `pending` estimates the amount that was paid for and has not arrived."""

    asset: str
    available: str
    held: str
    owed: str
    pending: str


class BalancesAnswer(TypedDict):
    """The balances of a person. `as_of` and `stale` are about the exchange rates."""

    display: DisplayAnswer
    items: list[AssetBalanceAnswer]
    as_of: str
    stale: bool


class FiatAnswer(TypedDict):
    """An amount of money."""

    amount: str
    currency: str


class TransactionAnswer(TypedDict):
    """A top-up, or another change of a balance, whose `amount` then has a sign."""

    id: str
    kind: Literal["top_up", "reversal", "adjustment", "debit"]
    status: Literal[
        "created",
        "awaiting_payment",
        "processing",
        "settled",
        "canceled",
        "expired",
        "failed",
        "in_review",
        "reversed",
    ]
    fiat: FiatAnswer | None
    asset: str
    network: str | None
    amount: str | None
    created_at: str
    settled_at: str | None
    provider: Literal["onramp"] | None
    provider_order_id: str | None
    transaction_hash: str | None
    description: str | None


class TransactionsAnswer(TypedDict):
    """One page, newest first."""

    items: list[TransactionAnswer]
    next_cursor: str | None


class HoldRequest(TypedDict):
    """For how many seconds the amount is only set aside."""

    expires_in: NotRequired[int]


class DebitAnswer(TypedDict):
    """One debit: `amount` is posted, held and released together, all of `asset`."""

    id: str
    user_id: str
    status: Literal["posted", "held", "released"]
    amount: str
    asset: str
    fiat_amount: str | None
    fiat_currency: str | None
    rate: str | None
    rate_as_of: str | None
    reference: str
    posted_amount: str
    held_amount: str
    released_amount: str
    reversed_amount: str
    description: str | None
    metadata: dict[str, str]
    expires_at: str | None
    created_at: str
    updated_at: str


class DebitsAnswer(TypedDict):
    """One page, newest first."""

    items: list[DebitAnswer]
    next_cursor: str | None


class LinkAnswer(TypedDict):
    """A link, and what has come of it. `received_amount` of `received_asset` is what arrived."""

    id: str
    url: str | None
    status: Literal["open", "used", "expired", "revoked"]
    user_id: str
    reference: str | None
    fiat_currency: str | None
    fiat_amount: str | None
    asset: str | None
    return_url: str | None
    return_secret: str | None
    created_at: str
    expires_at: str
    top_up_id: str | None
    top_up_status: (
        Literal[
            "created",
            "awaiting_payment",
            "processing",
            "settled",
            "canceled",
            "expired",
            "failed",
            "in_review",
            "reversed",
        ]
        | None
    )
    received_amount: str | None
    received_asset: str | None


class EndpointAnswer(TypedDict):
    """An endpoint; `event_types` is empty where all are wanted."""

    id: str
    url: str
    description: str | None
    event_types: list[str]
    is_enabled: bool
    failing_since: str | None
    disabled_at: str | None
    disabled_because: Literal["program", "failing", "gone", "operator"] | None
    previous_secret_until: str | None
    created_at: str
    updated_at: str


class EndpointsAnswer(TypedDict):
    """All endpoints of the program, newest first. There are a handful, so there are no pages."""

    items: list[EndpointAnswer]
    next_cursor: NotRequired[None]


EventType = Literal[
    "top_up.settled",
    "top_up.in_review",
    "top_up.failed",
    "top_up.reversed",
    "debit.created",
    "debit.reversed",
    "balance.low",
    "kyc.changed",
]


class EndpointSecretAnswer(TypedDict):
    """An endpoint with its newest secret, which is shown this once."""

    id: str
    url: str
    description: str | None
    event_types: list[str]
    is_enabled: bool
    failing_since: str | None
    disabled_at: str | None
    disabled_because: Literal["program", "failing", "gone", "operator"] | None
    previous_secret_until: str | None
    created_at: str
    updated_at: str
    secret: str


DeliveryState = Literal["waiting", "delivered", "failed"]


class AttemptAnswer(TypedDict):
    """One request and what came back; `answer` is its beginning, at most 4 KiB."""

    at: str
    took_ms: int
    status: int | None
    answer: str | None
    problem: str | None


class DeliveryAnswer(TypedDict):
    """An event on its way to an endpoint. `request` is its body; `attempts` are the newest 20, last first."""

    id: str
    event_id: str
    type: str
    state: DeliveryState
    request: dict[str, Any]
    created_at: str
    next_attempt_at: str | None
    ended_at: str | None
    problem: str | None
    attempts: list[AttemptAnswer]


class DeliveriesAnswer(TypedDict):
    """One page, newest first."""

    items: list[DeliveryAnswer]
    next_cursor: str | None


class RedeliveredAnswer(TypedDict):
    """How many are sent again."""

    redelivered: int


class Users:
    """The routes `/api/users`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def find_or_open(
        self,
        *,
        external_id: str,
        email: str | None = None,
        country: str | None = None,
        display_currency: str | None = None,
        balance_low: LowBalanceBody | None = None,
    ) -> PersonAnswer:
        """Find a person by the program's own name for them, or open an account without password for them.

        Needs the scope `users`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `payload_too_large`, `rate_limited`, `request_too_slow`, `unauthenticated`, `unsupported_asset`,
        `validation_failed`.
        """
        answer: PersonAnswer = self._calls.ask(
            "POST",
            "/api/users",
            body={
                "external_id": external_id,
                "email": email,
                "country": country,
                "display_currency": display_currency,
                "balance_low": balance_low,
            },
        )
        return answer

    def find(self, *, external_id: str) -> PersonAnswer:
        """Find a person by the program's own name for them.

        Needs the scope `users`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: PersonAnswer = self._calls.ask("GET", "/api/users", query={"external_id": external_id})
        return answer

    def change(self, user_id: str, *, balance_low: LowBalanceBody | None) -> PersonAnswer:
        """Say below which balance of a person the program wants to hear of it.

        Needs the scope `users`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `payload_too_large`, `rate_limited`, `request_too_slow`, `unauthenticated`,
        `unsupported_asset`, `validation_failed`.
        """
        answer: PersonAnswer = self._calls.ask(
            "PATCH", f"/api/users/{quote(user_id, safe='')}", body={"balance_low": balance_low}
        )
        return answer

    def read_balances(self, user_id: str) -> BalancesAnswer:
        """Return the balances of a person of the program, as they see them.

        Needs the scope `balances`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: BalancesAnswer = self._calls.ask("GET", f"/api/users/{quote(user_id, safe='')}/balances")
        return answer

    def list_transactions(
        self,
        user_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: Literal[
            "created",
            "awaiting_payment",
            "processing",
            "settled",
            "canceled",
            "expired",
            "failed",
            "in_review",
            "reversed",
        ]
        | None = None,
        asset: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        q: str | None = None,
        payment_method: str | None = None,
        search: str | None = None,
    ) -> TransactionsAnswer:
        """List what changed the balances of a person of the program, newest first.

        Needs the scope `balances`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: TransactionsAnswer = self._calls.ask(
            "GET",
            f"/api/users/{quote(user_id, safe='')}/transactions",
            query={
                "limit": limit,
                "cursor": cursor,
                "status": status,
                "asset": asset,
                "from": from_,
                "to": to,
                "q": q,
                "payment_method": payment_method,
                "search": search,
            },
        )
        return answer


class Debits:
    """The routes `/api/debits`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        *,
        user_id: str,
        amount: str,
        reference: str,
        asset: str | None = None,
        fiat_currency: str | None = None,
        description: str | None = None,
        hold: bool | HoldRequest | None = None,
        metadata: dict[str, str] | None = None,
    ) -> DebitAnswer:
        """Take money of a person, once under the program's reference.

        Needs the scope `debits`.

        Raises `WalletError`, with one of the codes `account_frozen`, `database_unavailable`, `forbidden`,
        `idempotency_conflict`, `insufficient_funds`, `insufficient_scope`, `not_found`, `payload_too_large`,
        `provider_unavailable`, `rate_limited`, `request_too_slow`, `unauthenticated`, `unsupported_asset`,
        `unsupported_currency`, `validation_failed`.
        """
        answer: DebitAnswer = self._calls.ask(
            "POST",
            "/api/debits",
            body={
                "user_id": user_id,
                "amount": amount,
                "asset": asset,
                "fiat_currency": fiat_currency,
                "reference": reference,
                "description": description,
                "hold": hold,
                "metadata": metadata,
            },
        )
        return answer

    def list_debits(
        self,
        *,
        user_id: str | None = None,
        reference: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DebitsAnswer:
        """List the program's debits, newest first.

        Needs the scope `debits`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: DebitsAnswer = self._calls.ask(
            "GET",
            "/api/debits",
            query={"user_id": user_id, "reference": reference, "limit": limit, "cursor": cursor},
        )
        return answer

    def read(self, debit_id: str) -> DebitAnswer:
        """Return one of the program's debits.

        Needs the scope `debits`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: DebitAnswer = self._calls.ask("GET", f"/api/debits/{quote(debit_id, safe='')}")
        return answer

    def capture(self, debit_id: str, *, reference: str, amount: str | None = None) -> DebitAnswer:
        """Spend a part or all of what is on hold; any number of times, each once under its reference.

        Needs the scope `debits`.

        Raises `WalletError`, with one of the codes `account_frozen`, `amount_out_of_limits`,
        `database_unavailable`, `forbidden`, `idempotency_conflict`, `insufficient_scope`, `not_found`,
        `payload_too_large`, `rate_limited`, `request_too_slow`, `unauthenticated`, `validation_failed`.
        """
        answer: DebitAnswer = self._calls.ask(
            "POST",
            f"/api/debits/{quote(debit_id, safe='')}/capture",
            body={"amount": amount, "reference": reference},
        )
        return answer

    def release(self, debit_id: str, *, reference: str, amount: str | None = None) -> DebitAnswer:
        """Let the person have again what is left on hold: all of it.

        Needs the scope `debits`.

        Raises `WalletError`, with one of the codes `amount_out_of_limits`, `database_unavailable`,
        `forbidden`, `idempotency_conflict`, `insufficient_scope`, `not_found`, `payload_too_large`,
        `rate_limited`, `request_too_slow`, `unauthenticated`, `validation_failed`.
        """
        answer: DebitAnswer = self._calls.ask(
            "POST",
            f"/api/debits/{quote(debit_id, safe='')}/release",
            body={"amount": amount, "reference": reference},
        )
        return answer

    def reverse(self, debit_id: str, *, reference: str, amount: str | None = None) -> DebitAnswer:
        """Give a part or all of what was spent back; any number of times, each once under its reference.

        Needs the scope `debits`.

        Raises `WalletError`, with one of the codes `amount_out_of_limits`, `database_unavailable`,
        `forbidden`, `forbidden`, `idempotency_conflict`, `insufficient_scope`, `not_found`,
        `payload_too_large`, `rate_limited`, `request_too_slow`, `unauthenticated`, `validation_failed`.
        """
        answer: DebitAnswer = self._calls.ask(
            "POST",
            f"/api/debits/{quote(debit_id, safe='')}/reverse",
            body={"amount": amount, "reference": reference},
        )
        return answer


class Links:
    """The routes `/api/add-money-links`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        *,
        user_id: str,
        fiat_currency: str | None = None,
        fiat_amount: str | None = None,
        asset: str | None = None,
        return_url: str | None = None,
        reference: str | None = None,
        expires_in: int | None = None,
    ) -> LinkAnswer:
        """Make a link by which a person of the program adds money, once.

        Needs the scope `links`.

        Raises `WalletError`, with one of the codes `account_frozen`, `amount_out_of_limits`,
        `database_unavailable`, `forbidden`, `idempotency_conflict`, `insufficient_scope`, `not_found`,
        `payload_too_large`, `rate_limited`, `request_too_slow`, `unauthenticated`, `unsupported_asset`,
        `unsupported_currency`, `validation_failed`.
        """
        answer: LinkAnswer = self._calls.ask(
            "POST",
            "/api/add-money-links",
            body={
                "user_id": user_id,
                "fiat_currency": fiat_currency,
                "fiat_amount": fiat_amount,
                "asset": asset,
                "return_url": return_url,
                "reference": reference,
                "expires_in": expires_in,
            },
        )
        return answer

    def read(self, link_id: str) -> LinkAnswer:
        """Return one of the program's links, and what has come of it.

        Needs the scope `links`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: LinkAnswer = self._calls.ask("GET", f"/api/add-money-links/{quote(link_id, safe='')}")
        return answer

    def revoke(self, link_id: str) -> None:
        """Let a link work no longer. A top-up that was begun by it goes on.

        Needs the scope `links`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        self._calls.ask("DELETE", f"/api/add-money-links/{quote(link_id, safe='')}")

    def draw(self, link_id: str) -> str:
        """Return the address of a link as a QR code (ISO/IEC 18004): for a screen that a phone reads.

        Needs the scope `links`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: str = self._calls.ask("GET", f"/api/add-money-links/{quote(link_id, safe='')}/qr.svg")
        return answer


class WebhookEndpoints:
    """The routes `/api/webhook-endpoints`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list_endpoints(self) -> EndpointsAnswer:
        """List the program's endpoints, newest first.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: EndpointsAnswer = self._calls.ask("GET", "/api/webhook-endpoints")
        return answer

    def create(
        self, *, url: str, event_types: list[EventType] | None = None, description: str | None = None
    ) -> EndpointSecretAnswer:
        """Have webhooks sent to an address. The secret that proves them is shown this once.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `payload_too_large`, `rate_limited`, `request_too_slow`, `too_many_endpoints`, `unauthenticated`,
        `validation_failed`.
        """
        answer: EndpointSecretAnswer = self._calls.ask(
            "POST",
            "/api/webhook-endpoints",
            body={"url": url, "event_types": event_types, "description": description},
        )
        return answer

    def read(self, endpoint_id: str) -> EndpointAnswer:
        """Return one of the program's endpoints.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: EndpointAnswer = self._calls.ask(
            "GET", f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}"
        )
        return answer

    def change(
        self,
        endpoint_id: str,
        *,
        url: str | None = OMITTED,
        event_types: list[EventType] | None = OMITTED,
        description: str | None = OMITTED,
        is_enabled: bool | None = OMITTED,
    ) -> EndpointAnswer:
        """Change an endpoint, stop sending to it, or send to it again.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `endpoint_disabled`, `forbidden`,
        `insufficient_scope`, `not_found`, `payload_too_large`, `rate_limited`, `request_too_slow`,
        `unauthenticated`, `validation_failed`.
        """
        answer: EndpointAnswer = self._calls.ask(
            "PATCH",
            f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}",
            body={
                "url": url,
                "event_types": event_types,
                "description": description,
                "is_enabled": is_enabled,
            },
        )
        return answer

    def remove(self, endpoint_id: str) -> None:
        """Remove an endpoint, with the log of what was sent to it.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        self._calls.ask("DELETE", f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}")

    def rotate_secret(self, endpoint_id: str, *, keep_old_seconds: int | None = None) -> EndpointSecretAnswer:
        """Give an endpoint a new secret. Until the old one ends, each webhook has a signature by both.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `payload_too_large`, `rate_limited`, `request_too_slow`, `unauthenticated`,
        `validation_failed`.
        """
        answer: EndpointSecretAnswer = self._calls.ask(
            "POST",
            f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}/rotate-secret",
            body={"keep_old_seconds": keep_old_seconds},
        )
        return answer

    def list_deliveries(
        self,
        endpoint_id: str,
        *,
        state: DeliveryState | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveriesAnswer:
        """List what was sent to an endpoint or waits for that, newest first, each with its last attempt.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: DeliveriesAnswer = self._calls.ask(
            "GET",
            f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}/deliveries",
            query={"state": state, "limit": limit, "cursor": cursor},
        )
        return answer

    def read_delivery(self, endpoint_id: str, delivery_id: str) -> DeliveryAnswer:
        """Return one delivery with its attempts and what was answered.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `forbidden`, `insufficient_scope`,
        `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: DeliveryAnswer = self._calls.ask(
            "GET",
            f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}/deliveries/{quote(delivery_id, safe='')}",
        )
        return answer

    def redeliver_failed(self, endpoint_id: str) -> RedeliveredAnswer:
        """Send again what the endpoint did not take, in its order: the oldest 10,000.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `endpoint_disabled`, `forbidden`,
        `insufficient_scope`, `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: RedeliveredAnswer = self._calls.ask(
            "POST", f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}/redeliver"
        )
        return answer

    def redeliver(self, endpoint_id: str, delivery_id: str) -> DeliveryAnswer:
        """Send one again, also one that was taken, with the same `webhook-id` and body.

        Needs the scope `webhooks`.

        Raises `WalletError`, with one of the codes `database_unavailable`, `endpoint_disabled`, `forbidden`,
        `insufficient_scope`, `not_found`, `rate_limited`, `unauthenticated`, `validation_failed`.
        """
        answer: DeliveryAnswer = self._calls.ask(
            "POST",
            f"/api/webhook-endpoints/{quote(endpoint_id, safe='')}/deliveries/{quote(delivery_id, safe='')}/redeliver",
        )
        return answer


class Wallet(Calls):
    """The wallet, by an API key. The arguments are those of `Calls`."""

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = 10, tries: int = 4) -> None:
        super().__init__(url, api_key, timeout_seconds=timeout_seconds, tries=tries)
        self.users = Users(self)
        self.debits = Debits(self)
        self.links = Links(self)
        self.webhook_endpoints = WebhookEndpoints(self)
