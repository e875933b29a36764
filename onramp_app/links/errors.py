"""The errors of add-money links."""

from onramp_app.domain.errors import ApplicationError


class LinkOver(ApplicationError):
    """The link begins no top-up: it was revoked, its time is up, or it has begun one already."""

    status, code, title = 409, "link_over", "The link no longer works"


class LinkReferenceUsed(ApplicationError):
    """The program has used the reference for a link with other content."""

    status, code, title = 409, "idempotency_conflict", "The reference was used with other content"
