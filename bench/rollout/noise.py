"""How models err: what two equally good models have in common, and what is each one's own."""

from dataclasses import dataclass

import numpy as np

from bench.rollout.pool import PagePool


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


# TODO measured
OWN = ErrorParts(user=0.05, creative=0.08, row=0.1)
COMMON = ErrorParts(user=0.1, creative=0.2, row=0.2)
