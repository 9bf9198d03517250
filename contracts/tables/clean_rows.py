"""Good rows of a chunk, a column whose values repeat as the places of its distinct ones: work on values is done once."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class CleanRows:
    """Typed columns of rows, some of them as places in `values`."""

    cells: pl.DataFrame  # the columns that are spelled out
    places: pl.DataFrame  # of the others, UInt32
    values: pl.DataFrame  # distinct, by place; null is a missing value

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, name: str) -> pl.Series | pa.Array:
        """The column, as an Arrow dictionary where its values repeat."""
        if name not in self.places.columns:
            return self.cells[name]
        oldest = pl.CompatLevel.oldest()
        return pa.DictionaryArray.from_arrays(self.places[name].to_arrow(), self.values[name].to_arrow(compat_level=oldest))

    def column(self, name: str) -> pl.Series:
        """The column spelled out."""
        return self.values[name].gather(self.places[name]) if name in self.places.columns else self.cells[name]

    def where(self, wanted: pl.Series) -> "CleanRows":
        """The rows for which `wanted` is true."""
        if wanted.all():
            return self
        places = self.places.filter(wanted) if self.places.width else self.places
        return CleanRows(cells=self.cells.filter(wanted), places=places, values=self.values)

    def spelled_out(self, names: Iterable[str]) -> pl.DataFrame:
        return pl.DataFrame([self.column(name) for name in names])
