"""People with accounts, as tests know them."""

from dataclasses import dataclass

PASSWORD = "violet-harbour-41"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, as their program knows them."""

    id: str
    email: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}
