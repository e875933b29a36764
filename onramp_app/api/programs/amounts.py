"""Fields of amounts that several bodies of programs have."""

from typing import Annotated

from pydantic import Field

AmountText = Annotated[str, Field(pattern=r"^[0-9]{1,20}(\.[0-9]{1,18})?$", examples=["12.50"])]
AssetName = Annotated[str, Field(pattern=r"^[A-Z0-9.]{1,20}$", examples=["USDT"])]
