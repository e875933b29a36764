"""The words of second factors."""

from enum import StrEnum

MAX_NAME = 64  # characters of the name that its owner gives a passkey


class FactorKind(StrEnum):
    """What somebody proves themselves with besides the password."""

    TOTP = "totp"
    PASSKEY = "passkey"
