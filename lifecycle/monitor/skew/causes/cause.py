"""What an explanation of different values looks like."""

from dataclasses import dataclass

import polars as pl

from contracts.dataset.columns import Column


@dataclass(frozen=True, kw_only=True)
class SkewCause:
    """An explanation, and the share of a column's different rows that it explains."""

    kind: str  # unit, offset, missing, swapped, case, whitespace, rounding, constant, renamed, number_format, different
    text: str  # goes on from "the served value is ..."
    share: float


@dataclass(frozen=True, kw_only=True)
class DifferentPairs:
    """A column's values in rows in which they are different."""

    column: Column
    file: pl.Series
    served: pl.Series

    def __len__(self) -> int:
        return len(self.file)

    @property
    def there(self) -> "DifferentPairs":
        """Only rows in which both sides have a value."""
        both = self.file.is_not_null() & self.served.is_not_null()
        return DifferentPairs(column=self.column, file=self.file.filter(both), served=self.served.filter(both))
