"""The columns that the champion looks at, as its encoder reads them. A model that starts from its weights keeps them.

A weight of a first layer belongs to one input, and an input's weight to its scale: with other buckets, another mean or another
standard deviation the same number would be another input, and through products of inputs (cross layers, pairs) no change of the
weights makes up for that. So columns and numbers' scales stay; the values of strings are fitted anew.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from contracts.dataset.columns import Column
from stages.features.selection import LEAK, Score
from stages.features.vocabulary import Scale, Vocabulary

CHAMPION, OTHERWISE = "train.start is champion", "train with train.start=scratch"


@dataclass(frozen=True, kw_only=True)
class ChampionColumns:
    """What the champion's encoder was made of, in its order."""

    kinds: dict[str, str]  # categorical or numeric, by name
    scales: dict[str, Scale]  # of the numeric ones

    @classmethod
    def from_features(cls, features: dict[str, Any]) -> "ChampionColumns":
        """From features.json; its inputs may end with a column that no field is made of, for the images."""
        inputs = features["inputs"][: len(features["categorical"])]
        scales = {scale["name"]: scale_of(scale) for scale in features["scales"]}
        return cls(kinds={column["name"]: column["kind"] for column in inputs}, scales=scales)

    def refuse_other_columns(self, columns: tuple[Column, ...]) -> None:
        """Raise ValueError unless every column is declared still, as what it was."""
        declared = {column.name: column for column in columns}
        for name, kind in self.kinds.items():
            if name not in declared:
                raise ValueError(f"{CHAMPION}, which looks at column '{name}', but that is no feature now; {OTHERWISE}")
            now = "categorical" if declared[name].is_categorical else "numeric"
            if now != kind:
                raise ValueError(f"{CHAMPION}, for which column '{name}' is {kind}, but it is {now} now; {OTHERWISE}")
            if kind == "numeric" and declared[name].log != self.scales[name].log:
                was, is_now = (str(log).lower() for log in (self.scales[name].log, declared[name].log))
                raise ValueError(f"{CHAMPION}, for which column '{name}' has log: {was}, but it is {is_now} now; {OTHERWISE}")

    def kept(self, parts: list[Vocabulary | Scale]) -> list[Vocabulary | Scale]:
        """Those of `parts` that the champion looks at, in its order."""
        by_name = {part.name: part for part in parts}
        return [by_name[name] for name in self.kinds]

    def scores(self, scores: list[Score]) -> list[Score]:
        """The selection's scores with the champion's choice. Raises ValueError if a column that it looks at is a leak by now."""
        leak = next((score for score in scores if score.name in self.kinds and score.reason.startswith(LEAK)), None)
        if leak is not None:
            raise ValueError(f"{CHAMPION}, which looks at column '{leak.name}', but that {leak.reason}; {OTHERWISE}")
        said = {True: "the champion looks at it", False: "the champion does not look at it"}
        return [replace(score, kept=score.name in self.kinds, reason=said[score.name in self.kinds]) for score in scores]


def scale_to_json(scale: Scale) -> dict[str, Any]:
    """Plain values, from which `scale_of` makes the same scale to the last bit."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(scale).items()}


def scale_of(values: dict[str, Any]) -> Scale:
    low, high = values["range"]
    return Scale(**{**values, "edges": tuple(values["edges"]), "range": (low, high)})
