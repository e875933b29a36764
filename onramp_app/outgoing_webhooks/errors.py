"""The errors of outgoing webhooks, with their codes."""

from onramp_app.domain.errors import ApplicationError


class TooManyEndpoints(ApplicationError):
    """The program has as many endpoints as it may have."""

    status, code, title = 409, "too_many_endpoints", "There are too many endpoints"


class EndpointDisabled(ApplicationError):
    """Nothing is sent to an endpoint that is disabled."""

    status, code, title = 409, "endpoint_disabled", "The endpoint is disabled"
