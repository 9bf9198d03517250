"""How models err: what two equally good models have in common, and what is each one's own."""

from dataclasses import dataclass

import numpy as np

from bench.rollout.simulation.pool import PagePool


@dataclass(frozen=True, kw_only=True)
class ErrorParts:
    """Standard deviations in log-odds: of what all rows of a user share, all rows of a creative, and what only a row has."""

    user: float
    creative: float
    row: float

    @property
    def of_candidate(self) -> float:
        """Of what differs between candidates of one page view."""
        return float(np.hypot(self.creative, self.row))

    def drawn(self, pool: PagePool, rng: np.random.Generator) -> np.ndarray:
        """float32 [P, K]."""
        user_U = self.user * rng.standard_normal(pool.num_users, dtype=np.float32)
        creative_C = self.creative * rng.standard_normal(pool.num_creatives, dtype=np.float32)
        row_PK = self.row * rng.standard_normal(pool.log_odds_PK.shape, dtype=np.float32)
        return row_PK + creative_C[pool.creative_PK] + user_U[pool.user_P][:, None]


# Measured on July 2026 of the default exchange (199,375 rows), between two trainings of the default model on May and June,
# train.seed 0 and 1:
#     python -m bench.rollout.simulation.seeds data/predictions/test.parquet OTHER/data/predictions/test.parquet \
#       data/truth/2026-07.parquet
#     difference of the two: user 0.048, creative 0.144, row 0.195, mean -0.011; sd 0.247
#     their mean from its line by the truth: user 0.112, creative 0.275, row 0.320, mean 0.000; sd 0.436
#     slope of their mean by the truth 0.742
# Each has half of the difference's variance as its own; half of that again is in their mean.
OWN = ErrorParts(user=0.034, creative=0.102, row=0.138)
COMMON = ErrorParts(user=0.109, creative=0.265, row=0.305)
SLOPE = 0.742  # a model that does not know all tells rows less apart than they are
