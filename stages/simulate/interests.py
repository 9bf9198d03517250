"""What users are after: ad categories that they always like, which the exchange knows as tags, and one that they look for this
month, which only their clicks tell. Off unless `exchange.interests` says otherwise.

Shape letters: N impressions, U users, C ad categories, K clicks.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from stages.simulate import names
from stages.simulate.config import ExchangeConfig, InterestsConfig
from stages.simulate.creatives import Creatives
from stages.simulate.randomness import generator
from stages.simulate.traffic import Traffic
from stages.simulate.world import NUM_AD_CATEGORIES

BETWEEN = "|"  # values of a cell


@dataclass(frozen=True, kw_only=True)
class Interests:
    config: InterestsConfig
    lasting_UC: np.ndarray  # bool: liked in every month, and told
    current_U: np.ndarray  # the ad category that the user looks for this month

    def log_odds(self, user_N: np.ndarray, ad_category_N: np.ndarray) -> np.ndarray:
        """Float64 [N], with mean 0 over ad categories for each user."""
        liked_N = self.lasting_UC[user_N, ad_category_N] - self.lasting_UC[user_N].mean(axis=1)
        sought_N = (self.current_U[user_N] == ad_category_N) - 1 / NUM_AD_CATEGORIES
        return self.config.lasting * liked_N + self.config.current * sought_N


def draw_interests(config: ExchangeConfig, month_idx: int) -> Interests | None:
    """Those of the month; None where there are none."""
    if config.interests is None:
        return None
    rank_UC = generator(config.seed, "interests").random((config.num_users, NUM_AD_CATEGORIES)).argsort(axis=1).argsort(axis=1)
    number_U = generator(config.seed, "interests", 1).integers(0, config.interests.most_tags + 1, config.num_users)
    current_U = generator(config.seed, "interests", month_idx).integers(NUM_AD_CATEGORIES, size=config.num_users)
    return Interests(config=config.interests, lasting_UC=rank_UC < number_U[:, None], current_U=current_U)


def told_interests(interests: Interests, traffic: Traffic, clicked_N: np.ndarray, creatives: Creatives) -> pl.DataFrame:
    """Columns `interests`, `last_creatives` and `last_categories` of the month's impressions: texts, the oldest click first.

    A row tells clicks of this month that were made `delay_s` before it or earlier, so none of its own or of a later row.
    """
    tags = [BETWEEN.join(names.AD_CATEGORIES[i] for i in np.flatnonzero(liked_C)) for liked_C in interests.lasting_UC]
    first_N, end_N, click_K = clicks_before(
        traffic.user_N, traffic.timestamp_s_N, clicked_N, interests.config.longest, interests.config.delay_s
    )
    creative_K = traffic.creative_N[click_K]
    named = {
        "last_creatives": creatives.creative_id_C[creative_K].tolist(),
        "last_categories": [names.AD_CATEGORIES[i] for i in creatives.ad_category_C[creative_K]],
    }
    spans, span_N = np.unique(first_N * (len(click_K) + 1) + end_N, return_inverse=True)
    bounds = [divmod(int(span), len(click_K) + 1) for span in spans]
    columns = {"interests": pl.Series(tags).gather(traffic.user_N.astype(np.uint32))}
    for name, values in named.items():
        texts = pl.Series([BETWEEN.join(values[first:end]) for first, end in bounds], dtype=pl.String)
        columns[name] = texts.gather(span_N.astype(np.uint32))
    return pl.DataFrame(columns)


def clicks_before(
    user_N: np.ndarray, time_s_N: np.ndarray, clicked_N: np.ndarray, longest: int, delay_s: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that were clicked, by user and time, int64 [K]; and of each row the first of those that it tells and the one after the
    last, int64 [N] each. Times ascend.
    """
    click_K = np.flatnonzero(clicked_N)
    click_K = click_K[np.argsort(user_N[click_K], kind="stable")]
    origin_s = int(time_s_N[0]) - delay_s if len(time_s_N) else 0
    width = (int(time_s_N[-1]) - origin_s + 2) if len(time_s_N) else 1
    key_K = user_N[click_K].astype(np.int64) * width + (time_s_N[click_K] - origin_s)
    own_N = user_N.astype(np.int64) * width
    end_N = np.searchsorted(key_K, own_N + (time_s_N - delay_s - origin_s), side="right")
    first_N = np.maximum(np.searchsorted(key_K, own_N, side="left"), end_N - longest)
    return first_N, end_N, click_K
