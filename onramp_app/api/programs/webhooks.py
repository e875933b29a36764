"""`/api/webhook-endpoints`: where the webhooks of a program go, what was sent there, and sending it again."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from onramp_app.api.frame.routes import RequestBody, forbid_caching
from onramp_app.api.programs.identity import program_errors, program_with
from onramp_app.domain.errors import NotFound, PayloadTooLarge
from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.outgoing_webhooks import deliveries, endpoints
from onramp_app.outgoing_webhooks.endpoints import Changes
from onramp_app.outgoing_webhooks.errors import EndpointDisabled, TooManyEndpoints
from onramp_app.outgoing_webhooks.views import DeliveryView, EndpointView, EndpointWithSecret
from onramp_app.outgoing_webhooks.words import (
    MAX_DESCRIPTION,
    MAX_URL_LENGTH,
    MOST_OVERLAP,
    DeliveryState,
    EventType,
)
from onramp_app.programs.views import Program
from onramp_app.programs.words import Scope

router = APIRouter(prefix="/api/webhook-endpoints", tags=["programs"], dependencies=[Depends(forbid_caching)])

OfWebhooks = Annotated[Program, program_with(Scope.WEBHOOKS)]
_ENDPOINT_ID = "3d6f0a1be4c84a0f9d27c5a18b6e4f70"
_USER = "0f8fad5bd9cb469fa16570867728950e"
_AT = "2026-11-30T14:20:00Z"
_URL = "https://shop.example/webhooks/wallet"
_ENDPOINT: dict[str, Any] = {
    "id": _ENDPOINT_ID,
    "url": _URL,
    "description": "Orders",
    "event_types": ["top_up.settled", "debit.created"],
    "is_enabled": True,
    "failing_since": None,
    "disabled_at": None,
    "disabled_because": None,
    "previous_secret_until": None,  # nosec B105  # nothing of a secret
    "created_at": _AT,
    "updated_at": _AT,
}
_DELIVERY: dict[str, Any] = {
    "id": "b2f1c7d09a3e4c58a6d1e0f4937b5a26",
    "event_id": "91c5e2a7d0b84f6c8e3f7a1b2c4d5e60",
    "type": "balance.low",
    "state": "delivered",
    "request": {
        "type": "balance.low",
        "timestamp": _AT,
        "data": {
            "asset": "USDT",
            "available": "4.5",
            "threshold": "5",
            "user_id": _USER,
            "external_id": "customer-4711",
            "sequence": 812,
        },
    },
    "created_at": _AT,
    "next_attempt_at": None,
    "ended_at": _AT,
    "problem": None,
    "attempts": [{"at": _AT, "took_ms": 84, "status": 204, "answer": "", "problem": None}],
}
# `whsec_` and the base64 of 32 bytes that are no secret of anybody.
_SECRET = "whsec_ZXhhbXBsZSBleGFtcGxlIGV4YW1wbGUgZXhhbXBsZSE="  # noqa: S105  # nosec B105

Url = Annotated[
    str,
    Field(
        min_length=8,
        max_length=MAX_URL_LENGTH,
        description="Where webhooks go: `https://`, port 443 or one from 1024, an address of the internet",
        examples=[_URL],
    ),
]
EventTypes = Annotated[
    list[EventType],
    Field(max_length=len(EventType), description="Which are wanted; none: all, also those of later releases"),
]
Description = Annotated[
    str | None, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=MAX_DESCRIPTION, examples=["Orders"])
]


class EndpointRequest(RequestBody):
    """Where webhooks go, and which."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": _URL, "event_types": _ENDPOINT["event_types"]}]}
    )

    url: Url
    event_types: Annotated[EventTypes, Field(default_factory=list)]
    description: Description = None


class EndpointChange(RequestBody):
    """What is to change. What is left out or null stays; an empty `description` is taken away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_enabled": True}]})

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Description = None
    is_enabled: bool | None = None


class RotateRequest(RequestBody):
    """For how many seconds the secret of before signs too, beside the new one."""

    keep_old_seconds: Annotated[
        int, Field(strict=True, ge=0, le=int(MOST_OVERLAP.total_seconds()), examples=[86_400])
    ] = 86_400


class EndpointAnswer(BaseModel):
    """An endpoint; `event_types` is empty where all are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENDPOINT]})

    id: str
    url: str
    description: str | None
    event_types: list[str]
    is_enabled: bool
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: Literal["program", "failing", "gone", "operator"] | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: EndpointView) -> Self:
        """Build the answer from the view."""
        return cls.model_validate({name: getattr(view, name) for name in EndpointAnswer.model_fields})


class EndpointSecretAnswer(EndpointAnswer):
    """An endpoint with its newest secret, which is shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENDPOINT | {"secret": _SECRET}]})

    secret: str

    @classmethod
    def with_secret(cls, made: EndpointWithSecret) -> Self:
        """Build the answer from the view."""
        return cls.model_validate(EndpointAnswer.of(made.endpoint).model_dump() | {"secret": made.secret})


class EndpointsAnswer(BaseModel):
    """All endpoints of the program, newest first. There are a handful, so there are no pages."""

    items: list[EndpointAnswer]
    next_cursor: None = None


class AttemptAnswer(BaseModel):
    """One request and what came back; `answer` is its beginning, at most 4 KiB."""

    at: datetime
    took_ms: int
    status: int | None
    answer: str | None
    problem: str | None


class DeliveryAnswer(BaseModel):
    """An event on its way to an endpoint. `request` is its body; `attempts` are the newest 20, last first.

    In lists there is the last one alone, with 500 characters of its answer.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DELIVERY]})

    id: str
    event_id: Annotated[str, Field(description="The header `webhook-id`")]
    type: str
    state: DeliveryState
    request: dict[str, Any]
    created_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    problem: str | None
    attempts: list[AttemptAnswer]

    @classmethod
    def of(cls, view: DeliveryView) -> Self:
        """Build the answer from the view."""
        return cls.model_validate(view, from_attributes=True)


class DeliveriesAnswer(BaseModel):
    """One page, newest first."""

    items: list[DeliveryAnswer]
    next_cursor: str | None


class RedeliveredAnswer(BaseModel):
    """How many are sent again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"redelivered": 3}]})

    redelivered: int


@router.post("", status_code=201, responses=program_errors(TooManyEndpoints, PayloadTooLarge))
async def create(body: EndpointRequest, program: OfWebhooks) -> EndpointSecretAnswer:
    """Have webhooks sent to an address. The secret that proves them is shown this once."""
    made = await endpoints.create(
        program, body.url, event_types=body.event_types, description=body.description
    )
    return EndpointSecretAnswer.with_secret(made)


@router.get("", responses=program_errors())
async def list_endpoints(program: OfWebhooks) -> EndpointsAnswer:
    """List the program's endpoints, newest first."""
    return EndpointsAnswer(items=[EndpointAnswer.of(view) for view in await endpoints.listed(program)])


@router.get("/{endpoint_id}", responses=program_errors(NotFound))
async def read(endpoint_id: str, program: OfWebhooks) -> EndpointAnswer:
    """Return one of the program's endpoints."""
    return EndpointAnswer.of(await endpoints.get(program, endpoint_id))


@router.patch("/{endpoint_id}", responses=program_errors(NotFound, EndpointDisabled, PayloadTooLarge))
async def change(endpoint_id: str, body: EndpointChange, program: OfWebhooks) -> EndpointAnswer:
    """Change an endpoint, stop sending to it, or send to it again."""
    changes = Changes(body.url, body.description, body.event_types, body.is_enabled)
    return EndpointAnswer.of(await endpoints.change(program, endpoint_id, changes))


@router.delete("/{endpoint_id}", status_code=204, responses=program_errors(NotFound))
async def remove(endpoint_id: str, program: OfWebhooks) -> None:
    """Remove an endpoint, with the log of what was sent to it."""
    await endpoints.remove(program, endpoint_id)


@router.post("/{endpoint_id}/rotate-secret", responses=program_errors(NotFound, PayloadTooLarge))
async def rotate_secret(endpoint_id: str, body: RotateRequest, program: OfWebhooks) -> EndpointSecretAnswer:
    """Give an endpoint a new secret. Until the old one ends, each webhook has a signature by both."""
    keep_old = timedelta(seconds=body.keep_old_seconds)
    return EndpointSecretAnswer.with_secret(await endpoints.rotate(program, endpoint_id, keep_old=keep_old))


@router.get("/{endpoint_id}/deliveries", responses=program_errors(NotFound))
async def list_deliveries(
    endpoint_id: str,
    program: OfWebhooks,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_LENGTH)] = None,
) -> DeliveriesAnswer:
    """List what was sent to an endpoint or waits for that, newest first, each with its last attempt."""
    found, next_cursor = await deliveries.page(program, endpoint_id, state=state, limit=limit, cursor=cursor)
    return DeliveriesAnswer(items=[DeliveryAnswer.of(view) for view in found], next_cursor=next_cursor)


@router.get("/{endpoint_id}/deliveries/{delivery_id}", responses=program_errors(NotFound))
async def read_delivery(endpoint_id: str, delivery_id: str, program: OfWebhooks) -> DeliveryAnswer:
    """Return one delivery with its attempts and what was answered."""
    return DeliveryAnswer.of(await deliveries.get(program, endpoint_id, delivery_id))


@router.post("/{endpoint_id}/redeliver", responses=program_errors(NotFound, EndpointDisabled))
async def redeliver_failed(endpoint_id: str, program: OfWebhooks) -> RedeliveredAnswer:
    """Send again what the endpoint did not take, in its order: the oldest 10,000."""
    return RedeliveredAnswer(redelivered=await deliveries.redeliver_failed(program, endpoint_id))


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver", responses=program_errors(NotFound, EndpointDisabled)
)
async def redeliver(endpoint_id: str, delivery_id: str, program: OfWebhooks) -> DeliveryAnswer:
    """Send one again, also one that was taken, with the same `webhook-id` and body."""
    return DeliveryAnswer.of(await deliveries.redeliver(program, endpoint_id, delivery_id))
