"""What the encoder learns of columns that it computes itself: crosses, ratios and differences of columns of the same row.

Shape letters: N rows, C columns of a cross.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from contracts.dataset.columns import Column
from contracts.dataset.declaration import Declaration
from stages.features.config import FeaturesConfig
from stages.features.selection import Score
from stages.features.vocabulary import FIRST_ID, Scale, Vocabulary, fit_scale, fit_vocabulary, ids_of

LARGEST_CODE = 2**55  # of the values of a cross: numbers that the graph looks up


@dataclass(frozen=True, kw_only=True)
class Cross(Vocabulary):
    """Values of a cross; each is some ids of the vocabularies of the columns that it is of."""

    of: tuple[str, ...]
    sizes: tuple[int, ...]  # ids of each
    ids: tuple[tuple[int, ...], ...]  # of each value

    @property
    def steps(self) -> tuple[int, ...]:
        """What each column's id is multiplied by: their sum is another number for every combination."""
        return tuple(int(np.prod(self.sizes[place + 1 :], dtype=object)) for place in range(len(self.sizes)))

    @property
    def codes(self) -> list[int]:
        """The number of each value."""
        return [sum(one * step for one, step in zip(value, self.steps, strict=True)) for value in self.ids]


@dataclass(frozen=True, kw_only=True)
class ComputedScale(Scale):
    """A number that is computed of two others."""

    operation: str  # ratio or difference
    of: tuple[str, str]


Computed = Cross | ComputedScale


def fit_computed(
    column: Column,
    train: pl.DataFrame,
    known: Mapping[str, Vocabulary | Scale],
    config: FeaturesConfig,
    count_N: np.ndarray | None = None,
) -> Computed:
    """What is learned of a computed column; `known` are the vocabularies of the columns that it is of."""
    if column.cross is not None:
        return fit_cross(column, train, tuple(known[name] for name in column.cross), config, count_N)
    scale = fit_scale(column, train[column.name], config, count_N)
    first, second = column.made_of
    return ComputedScale(**asdict(scale), operation=column.operation, of=(first, second))


def fit_cross(
    column: Column,
    train: pl.DataFrame,
    parts: tuple[Vocabulary | Scale, ...],
    config: FeaturesConfig,
    count_N: np.ndarray | None = None,
) -> Cross:
    """Values as `fit_vocabulary` takes them, of those whose parts all have an id. Raises ValueError if there are too many ids.

    A value that occurs `min_count` times has parts that do; only where `max_values` cuts off their vocabularies can one be lost.
    """
    sizes = tuple(part.num_ids for part in parts)
    if int(np.prod(sizes, dtype=object)) > LARGEST_CODE:
        raise ValueError(
            f"column '{column.name}' crosses {' and '.join(column.made_of)} with {' * '.join(map(str, sizes))} ids, more "
            "combinations than a number can count; cross fewer columns, or lower features.max_values"
        )
    ids_NC = np.stack([ids_of(part, train[part.name]) for part in parts], axis=1)
    is_known_N = pl.Series((ids_NC >= FIRST_ID).all(axis=1))
    values = train.select(pl.when(is_known_N).then(pl.col(column.name)).alias("value")).to_series()
    vocabulary = fit_vocabulary(column, values, config, count_N)
    row_of = pl.DataFrame({"value": values}).with_row_index("row").unique("value", keep="first")
    rows = pl.DataFrame({"value": vocabulary.values}, schema={"value": pl.String}).join(row_of, on="value", maintain_order="left")
    ids = tuple(map(tuple, ids_NC[rows["row"].to_numpy()].tolist()))
    return Cross(name=column.name, values=vocabulary.values, of=column.made_of, sizes=sizes, ids=ids)


def with_parts_of_crosses(declaration: Declaration, scores: list[Score]) -> list[Score]:
    """The scores, where the columns of a kept cross are kept with it: their ids are what it is looked up by."""
    kept = {score.name for score in scores if score.kept}
    crosses = [column for column in reversed(declaration.columns) if column.name in kept]
    needed = {name: column.name for column in crosses for name in column.cross or () if name not in kept}
    return [
        replace(score, kept=True, reason=f"'{needed[score.name]}', which is kept, is made of it")
        if score.name in needed
        else score
        for score in scores
    ]


def described_computed(parts: list[Vocabulary | Scale]) -> list[dict[str, Any]]:
    """Entries of features.json: what the encoder computes, of what."""
    found = []
    for part in parts:
        if isinstance(part, Cross):
            found.append({"name": part.name, "kind": "categorical", "operation": "cross", "of": list(part.of)})
        elif isinstance(part, ComputedScale):
            found.append({"name": part.name, "kind": "numeric", "operation": part.operation, "of": list(part.of)})
    return found


def taken(parts: list[Vocabulary | Scale]) -> dict[str, str]:
    """The columns that the encoder takes for these parts, and whether each is categorical or numeric."""
    found: dict[str, str] = {}
    for part in parts:
        kind = "categorical" if isinstance(part, Vocabulary) else "numeric"
        names = part.of if isinstance(part, Computed) else (part.name,)
        found |= {name: kind for name in names if name not in found}
    return found
