"""Shared by routes of several subjects: the base of request bodies, common fields, no caching."""

from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["IN"])]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217", examples=["INR"])]


class RequestBody(BaseModel):
    """Base of the bodies of requests: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


def forbid_caching(response: Response) -> None:
    """Forbid caching of an answer that is personal or carries tokens (RFC 6749, 5.1)."""
    response.headers["Cache-Control"] = "no-store"
