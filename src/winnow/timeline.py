"""Amounts of training: "500it", "2ep", "1.7%" -> iterations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer

from winnow.errors import RecipeError

Unit = Literal["it", "ep", "%"]

_UNITS: dict[str, Unit] = {"it": "it", "ep": "ep", "%": "%"}
_WRITTEN = re.compile(r"(?P<value>\d+(?:_\d{3})*(?:\.\d+)?)\s*(?P<unit>it|ep|%)")


@dataclass(frozen=True)
class Amount:
    """An amount of training, in the unit it was written in.

    Iterations are whole. Epochs and percentages are rounded to the nearest iteration, half up: the
    papers give k both ways (SLTH, arXiv 1903.01611, §4: 500 iterations, 1.4 epochs, 1.7 % of training).

    >>> Amount.parse("1.4ep").iterations(per_epoch=351, total=30_000)
    491
    >>> str(Amount.parse("500it"))
    '500it'
    """

    value: Fraction
    unit: Unit

    @classmethod
    def parse(cls, written: object) -> Amount:
        """Read an amount such as "500it", "2ep" or "1.7%"; raises RecipeError where there is no unit."""
        if isinstance(written, Amount):
            return written
        text = str(written).strip()
        found = _WRITTEN.fullmatch(text)
        if found is None:
            number = text if re.fullmatch(r"[\d_.]+", text) else "500"
            raise RecipeError(
                f"'{written}' is not an amount of training.\n"
                f"Write '{number}it' (iterations), '2ep' (epochs) or '1.7%' (percent of training)."
            )
        value = Fraction(found["value"].replace("_", ""))
        unit = _UNITS[found["unit"]]
        if unit == "it" and value.denominator != 1:
            raise RecipeError(f"'{written}' is not a whole number of iterations.")
        if unit == "%" and value > 100:
            raise RecipeError(f"'{written}' is more than the whole of training.")
        return cls(value, unit)

    def iterations(self, *, per_epoch: int, total: int | None = None) -> int:
        """This amount in iterations, given the iterations of an epoch and of the whole training."""
        if self.unit == "it":
            return int(self.value)
        if self.unit == "ep":
            exact = self.value * per_epoch
        elif total is None:
            raise RecipeError(f"'{self}' is a percentage of a length that is itself to be given: use 'it' or 'ep'.")
        else:
            exact = self.value * total / 100
        return int(exact + Fraction(1, 2))

    def __str__(self) -> str:
        number = Decimal(self.value.numerator) / Decimal(self.value.denominator)
        return f"{number:f}{self.unit}"  # "0.00001%", where a float would say 1e-05


Written = Annotated[Amount, BeforeValidator(Amount.parse), PlainSerializer(str)]
"""The type of a recipe's field that holds an amount of training."""
