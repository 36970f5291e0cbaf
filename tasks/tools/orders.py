"""The tool of `validation.yaml`: prices an order, in exact decimals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from conveyor_tools.errors import ToolError
from conveyor_tools.function import tool

_PRICES = {"tea-green": "4.20", "tea-black": "3.80", "pot-iron": "39.00", "cup-clay": "7.50"}
_SHIPPING = {"standard": "4.90", "overnight": "14.90"}
_IN_STOCK = 60


@dataclass
class Line:
    """So many of one thing."""

    sku: Literal["tea-green", "tea-black", "pot-iron", "cup-clay"]
    quantity: Annotated[int, Field(ge=1, le=99)]


@tool(effects="pure", name="orders")
class Orders:
    """Price an order: what its lines cost, with shipping."""

    def check_argument(self, name: str, value: object) -> None:
        """What no schema says: there may be too little of it."""
        for line in value if name == "lines" and isinstance(value, list) else ():
            if line["quantity"] > _IN_STOCK:
                raise ToolError(f"lines: only {_IN_STOCK} of {line['sku']} are in stock")

    def __call__(
        self,
        customer: Annotated[str, Field(pattern="^C-[0-9]{4}$")],
        shipping: Literal["standard", "overnight"],
        lines: Annotated[list[Line], Field(min_length=1)],
        gift: bool = False,  # noqa: FBT001, FBT002 - models give arguments by name
        note: str = "",
    ) -> dict[str, str]:
        goods = sum(Decimal(_PRICES[line.sku]) * line.quantity for line in lines)
        wrapping = Decimal("2.00") * gift
        total = goods + Decimal(_SHIPPING[shipping]) + wrapping
        return {"customer": customer, "total": f"{total:.2f} EUR", "note": note}
