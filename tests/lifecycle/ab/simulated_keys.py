"""A/B tests whose truth is known: users who come often or seldom, and click much or little, for some weeks."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from contracts.lifecycle.ab import AbConfig
from contracts.params import read_section
from lifecycle.ab.begun import AbTest
from lifecycle.ab.keys import KEY_SCHEMA, AbRows

FIRST = date(2027, 3, 1)
FROM_NS = int(datetime(2027, 3, 1, tzinfo=UTC).timestamp()) * 10**9
BASE = 0.05  # clicks a page view, before what users differ in
TEST = AbTest(
    champion=12,
    challenger=13,
    salt="9f86d081884c7d65",
    share_ppm=500_000,
    digests=(7,),
    from_ns=FROM_NS,
    until_ns=None,
    who="ann",
    why="is 13 worth it",
)


def settings(**changed) -> AbConfig:
    return read_section("ab", AbConfig, overrides=changed)


def simulated(
    seed: int, days: int = 21, keys: int = 3000, lift: float = 0.0, share: float = 0.5, together: float = 0.0
) -> pl.DataFrame:
    """KEY_SCHEMA. `lift` of the challenger's clicks; `together`: how much more they click who come often."""
    rng = np.random.default_rng(seed)
    often_K = rng.normal(0, 1, keys)
    rate_K = BASE * np.exp(rng.normal(0, 0.7, keys) + together * often_K)
    arm_K = (rng.random(keys) < share).astype(np.int8)
    views_KD = rng.poisson(0.3 * np.exp(often_K)[:, None] * np.ones(days))
    clicks_KD = rng.binomial(views_KD, np.minimum(rate_K * (1 + lift * arm_K), 1.0)[:, None])
    day_N, key_N = np.nonzero(views_KD.T)
    views_N, clicks_N = views_KD[key_N, day_N], clicks_KD[key_N, day_N]
    return pl.DataFrame(
        {
            "day": [FIRST + timedelta(days=int(day)) for day in day_N],
            "key": key_N.astype(np.uint64),
            "arm": arm_K[key_N],
            "views": views_N.astype(np.uint32),
            "fell_back": np.zeros(len(key_N), dtype=np.uint32),
            "clicks": clicks_N.astype(np.float64),
            "worth": clicks_N.astype(np.float64),
        },
        schema=KEY_SCHEMA,
    )


def rows_of(by_key: pl.DataFrame, **said) -> AbRows:
    """With one entity a key."""
    return AbRows(**{"by_key": by_key, "entities": by_key["key"].n_unique(), "in_both": 0, "outside": 0, "unkeyed": 0, **said})
