"""What an operator is refused."""

from onramp_app.domain.errors import ApplicationError


class ActionNotPossible(ApplicationError):
    """It cannot be done in this state, or was done before; the detail says which, and what can be done."""

    status, code, title = 409, "action_not_possible", "This cannot be done now"
