"""Made-up encoded arrays, shaped like those of the simulated exchange: no stage has to run before a measurement.

Shape letters: N rows, F fields, M dense columns, C creatives.
"""

import numpy as np

from stages.models.encoded_arrays import BUCKET_SUFFIX, EncodedSpec, EncodedSplit, Number
from stages.models.training import EncodedData

FIELDS = {  # name -> ids; of users and creatives there are as many as asked for
    "hour": 26, "weekday": 9, "site_id": 1202, "site_category": 14, "position": 7, "device": 6, "os": 8, "region": 18,
    "user_id": 0, "user_segment": 14, "creative_id": 0, "advertiser_id": 122, "ad_category": 14, "ad_format": 7,
}  # fmt: skip
NUMBERS = ("user_age", "frequency", "days_since_launch", "floor_price")
KNOTS = tuple(float(knot) for knot in np.linspace(-3, 3, 25))  # of 24 buckets, in standard deviations
FIRST_VALUE_ID = 2  # ids 0 and 1 mean unknown and missing
CHUNK_ROWS = 1 << 20  # rows made together
RATE_LOG_ODDS, EFFECT_STD = -3.0, 0.5


def made_up_data(num_train: int, num_val: int, *, num_users: int, num_creatives: int, image_size: int, seed: int) -> EncodedData:
    """Splits train and val of so many rows; clicks depend on ids, numbers and how bright a creative is."""
    rng = np.random.default_rng(seed)
    spec = made_up_spec(num_users, num_creatives, image_size)
    effects = [rng.normal(0, EFFECT_STD, num_ids).astype(np.float32) for num_ids in spec.num_ids[: len(FIELDS)]]
    bright_C = rng.integers(0, 200, num_creatives + 1, dtype=np.int32)
    bright_C[0] = 0
    noise = rng.integers(0, 56, (num_creatives + 1, 3, image_size, image_size), dtype=np.uint8)
    images = noise + bright_C[:, None, None, None].astype(np.uint8)
    images[0] = 0
    train, val = (made_up_split(num_rows, rng, effects, bright_C) for num_rows in (num_train, num_val))
    return EncodedData(spec=spec, train=train, val=val, image_NCSS=images)


def made_up_spec(num_users: int, num_creatives: int, image_size: int) -> EncodedSpec:
    fields = FIELDS | {"user_id": num_users + FIRST_VALUE_ID, "creative_id": num_creatives + FIRST_VALUE_ID}
    buckets = [f"{name}{BUCKET_SUFFIX}" for name in NUMBERS]
    return EncodedSpec(
        field_names=(*FIELDS, *buckets),
        num_ids=(*fields.values(), *(len(KNOTS) - 1 + FIRST_VALUE_ID for _ in buckets)),
        dense_names=NUMBERS,
        numbers=tuple(Number(field=len(FIELDS) + i, dense=i, knots=KNOTS) for i in range(len(NUMBERS))),
        has_creative=True,
        creative_field=list(FIELDS).index("creative_id"),
        num_creatives=num_creatives,
        image_size=image_size,
    )


def made_up_split(num_rows: int, rng: np.random.Generator, effects: list[np.ndarray], bright_C: np.ndarray) -> EncodedSplit:
    split = EncodedSplit(
        cat_idx_NF=np.empty((num_rows, len(FIELDS) + len(NUMBERS)), dtype=np.int32),
        num_feats_NM=np.empty((num_rows, len(NUMBERS)), dtype=np.float32),
        creative_idx_N=np.empty(num_rows, dtype=np.int32),
        label_N=np.empty(num_rows, dtype=np.uint8),
    )
    for start in range(0, num_rows, CHUNK_ROWS):
        fill(split, slice(start, min(start + CHUNK_ROWS, num_rows)), rng, effects, bright_C)
    return split


def fill(split: EncodedSplit, rows: slice, rng: np.random.Generator, effects: list[np.ndarray], bright_C: np.ndarray) -> None:
    """Write `rows` of all arrays: ids by a power law, so that few have most rows; numbers normal, cut to the knots' range."""
    num_rows = rows.stop - rows.start
    log_odds_N = np.full(num_rows, RATE_LOG_ODDS, dtype=np.float32)
    for field, effect in enumerate(effects):
        ids_N = (len(effect) * rng.random(num_rows, dtype=np.float32) ** 3).astype(np.int32)
        np.minimum(ids_N, len(effect) - 1, out=ids_N)  # a float32 just below 1 times a large number may round up
        split.cat_idx_NF[rows, field] = ids_N
        log_odds_N += effect[ids_N]
    number_NM = rng.standard_normal((num_rows, len(NUMBERS)), dtype=np.float32).clip(KNOTS[0], KNOTS[-1])
    split.num_feats_NM[rows] = number_NM
    bucket_NM = ((number_NM - KNOTS[0]) / (KNOTS[1] - KNOTS[0])).astype(np.int32).clip(0, len(KNOTS) - 2)
    split.cat_idx_NF[rows, len(FIELDS) :] = bucket_NM + FIRST_VALUE_ID
    creative_N = split.cat_idx_NF[rows, list(FIELDS).index("creative_id")] - FIRST_VALUE_ID + 1
    split.creative_idx_N[rows] = creative_N.clip(0)  # an unknown or missing creative has no image
    log_odds_N += np.sin(number_NM).sum(axis=1) * 0.5 + (bright_C[split.creative_idx_N[rows]] - 100) / 100
    split.label_N[rows] = rng.random(num_rows, dtype=np.float32) < 1 / (1 + np.exp(-log_odds_N))
