"""Which values of a unique column came before, in bounded memory."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl


@dataclass
class SeenValues:
    """64-bit hashes seen so far, in sorted runs of doubling length: memory is 8 bytes a value."""

    runs: list[np.ndarray] = field(default_factory=list)

    def add(self, hashes: np.ndarray) -> np.ndarray:
        """True where a value was seen before, in an earlier call or earlier in this one."""
        repeated = ~pl.Series(hashes).is_first_distinct().to_numpy()
        new = np.sort(hashes[~repeated])  # looked up in order, which is far faster than at random
        for run in self.runs:
            known = run[np.minimum(np.searchsorted(run, new), len(run) - 1)] == new
            repeated |= np.isin(hashes, new[known])
            new = new[~known]
        self._keep(new)
        return repeated

    def _keep(self, run: np.ndarray) -> None:
        while self.runs and len(self.runs[-1]) <= len(run):
            run = np.sort(np.concatenate([self.runs.pop(), run]), kind="stable")
        if len(run):
            self.runs.append(run)
