"""The error of backups that cannot be made or restored."""

from onramp_app.domain.errors import ApplicationError


class BackupRefused(ApplicationError):
    """The backup cannot be made or restored like this; the detail says what to do."""

    status, code, title = 409, "backup_refused", "The backup is refused"
