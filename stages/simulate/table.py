"""The CSV table of a month: names instead of indices, columns in the order of the file.

Shape letters: N impressions.
"""

import io

import numpy as np
import polars as pl

from stages.simulate import names
from stages.simulate.creatives import Creatives
from stages.simulate.traffic import Traffic
from stages.simulate.world import World

_IDS_PER_MONTH = 10**9  # above the largest month, so ids never clash


def impression_ids(month_idx: int, start: int, stop: int) -> np.ndarray:
    """int64, ascending over all months."""
    return np.arange(start, stop, dtype=np.int64) + month_idx * _IDS_PER_MONTH


def impressions_table(
    world: World,
    creatives: Creatives,
    traffic: Traffic,
    impression_id_N: np.ndarray,
    clicked_N: np.ndarray,
    more: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """`more` are columns that stand before the clicks."""
    users, sites = world.users, world.sites
    user_N, site_N, creative_N = traffic.user_N, traffic.site_N, traffic.creative_N
    return pl.DataFrame(
        {
            "impression_id": impression_id_N,
            "timestamp": pl.Series(traffic.timestamp_s_N * 1000).cast(pl.Datetime("ms")),
            "hour": traffic.hour_N,
            "weekday": traffic.weekday_N,
            "site_id": _named([f"site-{site + 1:04d}" for site in range(len(sites.category_S))], site_N),
            "site_category": _named(names.SITE_CATEGORIES, sites.category_S[site_N]),
            "position": traffic.position_N + 1,
            "device": _named(names.DEVICES, traffic.device_N),
            "os": _named(names.OSES, traffic.os_N),
            "region": _named(names.REGIONS, users.region_U[user_N]),
            "user_id": _named([f"user-{user + 1:06d}" for user in range(len(users.segment_U))], user_N),
            "user_age": pl.Series(users.age_U[user_N], nan_to_null=True),
            "user_segment": _named(names.USER_SEGMENTS, users.segment_U[user_N]),
            "creative_id": _named(creatives.creative_id_C.tolist(), creative_N),
            "advertiser_id": _named(
                [f"advertiser-{number + 1:03d}" for number in range(len(world.advertisers.category_A))],
                creatives.advertiser_C[creative_N],
            ),
            "ad_category": _named(names.AD_CATEGORIES, creatives.ad_category_C[creative_N]),
            "ad_format": _named(names.AD_FORMATS, creatives.ad_format_C[creative_N]),
            "frequency": traffic.frequency_N,
            "days_since_launch": traffic.days_since_launch_N,
            "floor_price": traffic.floor_price_N,
            "ad_server": _named(names.AD_SERVERS, traffic.ad_server_N),
            "currency": pl.repeat(names.CURRENCY, len(traffic), eager=True),
            **({} if more is None else more.to_dict()),
            "clicked": clicked_N.astype(np.uint8),
        }
    )


def _named(catalogue: tuple[str, ...] | list[str], index_N: np.ndarray) -> pl.Series:
    return pl.Series(list(catalogue)).gather(index_N.astype(np.uint32))


def csv_lines(table: pl.DataFrame) -> bytes:
    """The rows as CSV in UTF-8 without a header, one line each, no value quoted."""
    buffer = io.BytesIO()
    table.write_csv(buffer, include_header=False, quote_style="never", datetime_format="%Y-%m-%dT%H:%M:%S")
    return buffer.getvalue()
