"""Builds the HTTP API: routes, errors as problem documents, request ids."""

from fastapi import FastAPI


def create_api() -> FastAPI:
    """Return the API of the application, to be mounted in front of the pages."""
    return FastAPI(title="Wallet API", openapi_url="/api/openapi.json", docs_url="/api/docs", redoc_url=None)
