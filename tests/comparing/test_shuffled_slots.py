"""The slots of a column with several values are shuffled together: it is worth what all of them are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from stages.comparing.columns import column_worths


@dataclass
class Inputs:
    inputs: list[str]
    has_creatives: bool = False


@dataclass
class StandIn:
    encoder: Inputs


class StandInPair:
    """Says a click where both slots hold the same; notes which rows it was asked."""

    def __init__(self) -> None:
        self.champion = self.candidate = StandIn(Inputs(["a", "s[0]", "s[1]"]))
        self.whole = {"s[0]": "s", "s[1]": "s"}
        self.asked: list[pl.DataFrame] = []

    def score(self, scorer: Any, rows: pl.DataFrame) -> np.ndarray:
        self.asked.append(rows)
        return np.where(rows["s[0]"] == rows["s[1]"], 0.9, 0.1).astype(np.float32)


def test_slots_are_shuffled_in_one_order():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, 200)
    same = rng.random(200) < 0.5
    rows = pl.DataFrame({"a": rng.integers(0, 9, 200), "s[0]": first, "s[1]": np.where(same, first, first + 1)})
    pair = StandInPair()
    worths = {worth.name: worth for worth in column_worths(pair, rows, same.astype(float), 1, lambda: None)}
    assert list(worths) == ["a", "s"]
    assert worths["a"].candidate.rise == 0 and worths["s"].candidate.rise > 0.5
    shuffled = pair.asked[-1]
    assert (shuffled["s[0]"] != rows["s[0]"]).any() and ((shuffled["s[0]"] == shuffled["s[1]"]).sum() == same.sum())
