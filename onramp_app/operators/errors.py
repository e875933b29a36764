"""The errors of operators' decisions."""

from onramp_app.domain.errors import ApplicationError, Forbidden


class FactorRequired(Forbidden):
    """Operators act with a second factor only, and this one has none."""


class ActionNotPossible(ApplicationError):
    """The action is not possible in this state, or was done before. The detail says what is possible."""

    status, code, title = 409, "action_not_possible", "This cannot be done now"
