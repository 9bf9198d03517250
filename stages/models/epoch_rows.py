"""Which rows of the training split an epoch takes, in which order: all of them, or all clicked ones and a share of the others.

Where a share w of the rows without a click is drawn, whatever else they hold, the odds of a click among the drawn rows are 1/w of
what they are among all, so the logits of the two differ by log w and by nothing else (Prentice, Pyke, Logistic disease incidence
models and case-control studies, Biometrika 66, 1979; of click models He et al., Practical lessons from predicting clicks on ads
at Facebook, ADKDD 2014, section 6.3). So the network says the logit of all rows, and the loss of drawn rows is that of the logit
less log w (`CtrModule`): what is judged on val, kept and exported needs no correction, and a training may start from its weights.
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.models.encoded_arrays import EncodedSplit


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochRows:
    """The rows of every epoch. Every epoch has as many."""

    num_all: int  # rows of the split
    seed: int
    clicked_P: np.ndarray | None = None  # numbers of the clicked rows; None: an epoch takes all rows
    others_Q: np.ndarray | None = None  # numbers of the others, in the order in which epochs take them
    num_others: int = 0  # of these, how many an epoch takes

    def __len__(self) -> int:
        return self.num_all if self.clicked_P is None else len(self.clicked_P) + self.num_others

    @property
    def kept_share(self) -> float:
        """Share of the rows without a click that an epoch takes, exactly."""
        return 1.0 if self.others_Q is None else self.num_others / len(self.others_Q)

    @property
    def logit_shift(self) -> float:
        """What the logit of a click among all rows is above that among an epoch's rows: log(kept_share), 0 or less."""
        return math.log(self.kept_share)

    def of(self, epoch: int) -> np.ndarray:
        """Rows of an epoch in the order of its steps, int64 [len]: of (seed, epoch) alone. No row without a click comes twice
        before all of them came.
        """
        if self.clicked_P is None or self.others_Q is None:
            return shuffled_rows(self.num_all, self.seed, epoch)
        place_Q = (epoch * self.num_others + np.arange(self.num_others)) % len(self.others_Q)
        row_N = np.concatenate([self.clicked_P, self.others_Q[place_Q]]).astype(np.int64)
        return row_N[shuffled_rows(len(row_N), self.seed, epoch)]


def epoch_rows(train: EncodedSplit, keep_negatives: float, seed: int) -> EpochRows:
    """The rows of each epoch of `train`. Raises ValueError if that share of the rows without a click is no row."""
    if keep_negatives == 1:
        return EpochRows(num_all=len(train), seed=seed)
    narrow = np.uint32 if len(train) < 2**32 else np.int64  # half the memory: all rows' numbers are held
    clicked_P, others_Q = (np.flatnonzero(train.label_N == label).astype(narrow) for label in (1, 0))
    num_others = round(keep_negatives * len(others_Q))
    if num_others == 0:
        raise ValueError(
            f"train.keep_negatives = {keep_negatives:g} leaves none of the {len(others_Q)} training rows without a click; "
            "set a larger share, or 1 for all rows"
        )
    np.random.default_rng([seed, len(others_Q)]).shuffle(others_Q)
    return EpochRows(num_all=len(train), seed=seed, clicked_P=clicked_P, others_Q=others_Q, num_others=num_others)


def shuffled_rows(num_rows: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of range(num_rows), int64, that depends on (seed, epoch) only."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(num_rows)
