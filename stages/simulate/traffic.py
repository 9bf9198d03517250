"""Who saw which creative where and when: the impressions of one month, without the clicks.

Shape letters: N impressions in time order, U users, C creatives, W site categories, T slots of a month.
"""

from dataclasses import dataclass, fields

import numpy as np

from stages.simulate import names
from stages.simulate.config import ExchangeConfig
from stages.simulate.creatives import SLOT_DAYS, Creatives
from stages.simulate.months import DAY_S, month_start_s
from stages.simulate.randomness import draw_by_weight, generator
from stages.simulate.world import NUM_SITE_CATEGORIES, World

_HOUR_WEIGHTS = np.array(  # traffic by hour of the day, relative
    [2.0, 1.2, 0.8, 0.6, 0.6, 0.9, 1.8, 3.2, 4.2, 4.4, 4.5, 4.7,
     5.2, 5.0, 4.7, 4.6, 4.8, 5.2, 5.8, 6.6, 7.2, 7.0, 5.6, 3.6]
)  # fmt: skip
_WEEKEND_TRAFFIC = 0.85  # of a working day
_SECOND_DEVICE_FRAC = 0.15
_POSITION_WEIGHTS = np.array(  # positions 1 to 5 (columns) on each device (rows): small screens show less
    [
        [0.38, 0.27, 0.18, 0.11, 0.06],
        [0.26, 0.24, 0.20, 0.17, 0.13],
        [0.32, 0.26, 0.19, 0.14, 0.09],
        [0.70, 0.20, 0.06, 0.03, 0.01],
    ]
)
_FORMAT_PRICE = np.array([0.0, 0.05, 0.45, 0.25, 0.10])  # log price over a banner's, by ad format
_MIN_PRICE, _MAX_PRICE = 0.05, 20.0  # per thousand impressions, in the exchange's currency


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Parallel arrays, one entry an impression; whatever has a catalogue is an index into it."""

    timestamp_s_N: np.ndarray  # int64, seconds since 1970, ascending
    month_frac_N: np.ndarray  # how much of the month has passed, 0 to 1
    hour_N: np.ndarray  # 0 to 23
    weekday_N: np.ndarray  # 1 Monday to 7 Sunday
    user_N: np.ndarray
    site_N: np.ndarray
    creative_N: np.ndarray
    device_N: np.ndarray
    os_N: np.ndarray
    position_N: np.ndarray  # 0 is position 1, the top
    frequency_N: np.ndarray  # earlier views of this creative by this user this month
    days_since_launch_N: np.ndarray  # rounded as written
    floor_price_N: np.ndarray  # rounded as written
    ad_server_N: np.ndarray  # noise

    def __len__(self) -> int:
        return len(self.timestamp_s_N)

    def rows(self, start: int, stop: int) -> "Traffic":
        return Traffic(**{f.name: getattr(self, f.name)[start:stop] for f in fields(Traffic)})


def draw_traffic(
    config: ExchangeConfig,
    world: World,
    creatives: Creatives,
    month_idx: int,
    num_rows: int,
    activity_U: np.ndarray,
    rng: np.random.Generator,
) -> Traffic:
    """The month's impressions; `activity_U` is each user's weight and may be zero."""
    users, sites = world.users, world.sites
    start_s, end_s = month_start_s(month_idx), month_start_s(month_idx + 1)
    timestamp_s_N = _draw_timestamps(rng, start_s, end_s, num_rows)
    user_N = draw_by_weight(activity_U[None], np.zeros(num_rows, np.int64), rng.random(num_rows))
    site_N = draw_by_weight(sites.reach_GS, users.segment_U[user_N], rng.random(num_rows))
    creative_N = _draw_creatives(config, world, creatives, timestamp_s_N, start_s, sites.category_S[site_N], rng)
    order_N = np.argsort(user_N, kind="stable")
    creative_N = _repeat_previous(user_N, creative_N, order_N, rng.random(num_rows) < config.repeat_frac)
    which_N = (rng.random(num_rows) < _SECOND_DEVICE_FRAC).astype(np.int64)
    device_N = users.device_U2[user_N, which_N]
    log_price_N = 0.45 * sites.quality_S[site_N] + _FORMAT_PRICE[creatives.ad_format_C[creative_N]]
    price_N = np.exp(log_price_N - 0.3 + 0.35 * rng.standard_normal(num_rows))
    age_s_N = timestamp_s_N - creatives.launch_s_C[creative_N]
    return Traffic(
        timestamp_s_N=timestamp_s_N,
        month_frac_N=(timestamp_s_N - start_s) / (end_s - start_s),
        hour_N=timestamp_s_N % DAY_S // 3600,
        weekday_N=weekday(timestamp_s_N),
        user_N=user_N,
        site_N=site_N,
        creative_N=creative_N,
        device_N=device_N,
        os_N=users.os_U2[user_N, which_N],
        position_N=draw_by_weight(_POSITION_WEIGHTS, device_N, rng.random(num_rows)),
        frequency_N=count_earlier_views(user_N, creative_N, len(creatives)),
        days_since_launch_N=np.round(age_s_N / DAY_S, 3),
        floor_price_N=np.round(np.clip(price_N, _MIN_PRICE, _MAX_PRICE), 2),
        ad_server_N=rng.integers(len(names.AD_SERVERS), size=num_rows),
    )


def weekday(timestamp_s_N: np.ndarray) -> np.ndarray:
    """ISO weekday, 1 Monday to 7 Sunday."""
    return (timestamp_s_N // DAY_S + 3) % 7 + 1  # 1 January 1970 was a Thursday


def monthly_activity(config: ExchangeConfig, world: World, month_idx: int) -> np.ndarray:
    """Each user's weight in this month: the lasting one, shaken, since people come and go."""
    rng = generator(config.seed, "activity", month_idx)
    return world.users.activity_U * np.exp(0.6 * rng.standard_normal(config.num_users))


def _draw_timestamps(rng: np.random.Generator, start_s: int, end_s: int, num_rows: int) -> np.ndarray:
    """Seconds in ascending order, int64 [N], denser where the hour and the weekday have more traffic."""
    edges_s = np.arange(start_s, end_s + 1, 3600)
    hour_s = edges_s[:-1]
    density = _HOUR_WEIGHTS[hour_s % DAY_S // 3600] * np.where(weekday(hour_s) >= 6, _WEEKEND_TRAFFIC, 1.0)
    cumulative = np.concatenate([[0.0], np.cumsum(density)])
    # Sorting the uniforms first gives sorted times straight away.
    times_s = np.interp(np.sort(rng.random(num_rows)) * cumulative[-1], cumulative, edges_s)
    return np.minimum(times_s.astype(np.int64), end_s - 1)


def _draw_creatives(
    config: ExchangeConfig,
    world: World,
    creatives: Creatives,
    timestamp_s_N: np.ndarray,
    start_s: int,
    site_category_N: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A creative an impression, among those live in its slot, by age and by how its category fits the site's."""
    slot_N = (timestamp_s_N - start_s) // (SLOT_DAYS * DAY_S)
    slot_start_s_T = start_s + np.arange(int(slot_N.max()) + 1) * SLOT_DAYS * DAY_S
    age_days_TC = (slot_start_s_T[:, None] - creatives.live_from_s_C) / DAY_S
    freshness_TC = 0.5 ** (age_days_TC / config.creative_half_life_days)
    weight_TC = np.where(age_days_TC >= 0, creatives.weight_C * freshness_TC, 0.0)
    context_WC = world.advertisers.context_WC[:, creatives.ad_category_C]
    weight_GC = (weight_TC[:, None, :] * context_WC[None]).reshape(-1, len(creatives))
    return draw_by_weight(weight_GC, slot_N * NUM_SITE_CATEGORIES + site_category_N, rng.random(len(slot_N)))


def _repeat_previous(user_N: np.ndarray, creative_N: np.ndarray, order_N: np.ndarray, repeat_N: np.ndarray) -> np.ndarray:
    """Creatives in which a repeating impression shows what its user saw the time before (`order_N` sorts by user, time)."""
    sorted_user_N = user_N[order_N]
    fresh_N = ~repeat_N[order_N]
    fresh_N[0] = True
    fresh_N[1:] |= sorted_user_N[1:] != sorted_user_N[:-1]
    source_N = np.maximum.accumulate(np.where(fresh_N, np.arange(len(user_N)), 0))
    repeated_N = np.empty_like(creative_N)
    repeated_N[order_N] = creative_N[order_N][source_N]
    return repeated_N


def count_earlier_views(user_N: np.ndarray, creative_N: np.ndarray, num_creatives: int) -> np.ndarray:
    """How often the same user saw the same creative in earlier rows, int64 [N]."""
    pair_N = user_N.astype(np.int64) * num_creatives + creative_N
    order_N = np.argsort(pair_N, kind="stable")
    sorted_pair_N = pair_N[order_N]
    row_N = np.arange(len(pair_N))
    is_first_N = np.ones(len(pair_N), dtype=bool)
    is_first_N[1:] = sorted_pair_N[1:] != sorted_pair_N[:-1]
    count_N = np.empty(len(pair_N), dtype=np.int64)
    count_N[order_N] = row_N - np.maximum.accumulate(np.where(is_first_N, row_N, 0))
    return count_N
