"""Shows known ids as unknown now and then while training: the less the training rows say about an id, the more often.

An id is hidden with probability k / (k + m): m is its evidence in clicks, k how many clicks outweigh what all ids of its field
have in common. As a rule k is `train.unknown_prior_clicks`, and m what the average rate gives the id's rows. But where the ids
of a field differ much (one app in twenty has nearly all clicks), a few clicks tell an id: there k is less, as much as the ids'
rates say, and m is what the id's own rate, smoothed, gives its rows, if that is more. Creatives with images go by the rule
however they differ: their image tells what the id tells, and has to, where the creative is new. (And their m must not depend on
their clicks: if those that do well are shown more often with their id, the tower learns from those that do badly.)

Hiding trains the unknown id on every kind of row, and keeps ids with little evidence of their own (a user with three clicks)
from being learnt by heart: the weight given to what an id says grows with its evidence as in a smoothed rate. Dropping features
by frequency to train unseen ones: Volkovs, Yu, Poutanen, DropoutNet, NIPS 2017. A bucket of a number that is hidden still shows
where the number is (`number_embedding.py`): what is left out is what the bucket has of its own.
Shape letters: B batch, N rows, F fields, V ids of a field, U distinct pairs of rows and clicks.
"""

import numpy as np
import torch
from scipy.special import betaln
from torch import Tensor

from stages.models.encoded_arrays import EncodedSpec, EncodedSplit

FIRST_VALUE_ID = 2  # ids 0 and 1 mean unknown and missing; only known values are shown as unknown
COUNT_ROWS = 1 << 20  # rows counted together; bounds the memory it takes
# An id's vector is many numbers, and takes part in products with others: it needs more evidence than the one number of a rate.
# With 20 all fields of the simulated exchange go by the rule, which was chosen there; with 10, and creatives among those that
# do not, the learnable share was 0.02 to 0.04 less.
EVIDENCE_OF_A_VECTOR = 20.0
CLICKS = np.logspace(-4, 6, 101)  # values of k that are looked at


def hiding_shares(split: EncodedSplit, spec: EncodedSpec, most_clicks: float) -> Tensor:
    """The probability with which each id of each field is hidden, float32 [ids of all columns], one field behind the other;
    0 for unknown and missing. Slots of a column with several values are counted together. `most_clicks` bounds k; 0 hides
    nothing.
    """
    clicks, rows = split.clicks_and_rows
    rate = float(split.label_N.mean(dtype=np.float64)) if split.weight_N is None else clicks / rows
    shares = []
    slots_of = {field: one.fields if field == one.fields[0] else () for one in spec.lists for field in one.fields}
    for field, num_ids in enumerate(spec.num_ids):
        slots = slots_of.get(field, (field,))
        if not slots:
            continue
        share_V = np.zeros(num_ids)
        if 0 < rate < 1:
            counted = sum(np.stack(count(split, slot, num_ids)) for slot in slots)
            rows_V, clicks_V = counted[:, FIRST_VALUE_ID:]
            prior, evidence_V = most_clicks, rows_V * rate
            own = clicks_of_a_rate(rows_V, clicks_V, rate) if field != spec.creative_field else np.inf
            if EVIDENCE_OF_A_VECTOR * own < most_clicks:
                prior = EVIDENCE_OF_A_VECTOR * own
                evidence_V = np.maximum(evidence_V, rows_V * (clicks_V + own) / (rows_V + own / rate))
            share_V[FIRST_VALUE_ID:] = prior / np.maximum(prior + evidence_V, 1e-12)
        shares.append(share_V)
    return torch.from_numpy(np.concatenate(shares).astype(np.float32))


def count(split: EncodedSplit, field: int, num_ids: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and clicks of every id of a field, as they weigh, float64 [V] each."""
    rows_V, clicks_V = np.zeros(num_ids), np.zeros(num_ids)
    for start in range(0, len(split), COUNT_ROWS):
        ids_N, label_N = split.cat_idx_NF[start : start + COUNT_ROWS, field], split.label_N[start : start + COUNT_ROWS]
        weight_N = None if split.weight_N is None else split.weight_N[start : start + COUNT_ROWS]
        rows_V += np.bincount(ids_N, weight_N, minlength=num_ids)
        clicks_V += np.bincount(ids_N, label_N if weight_N is None else label_N * weight_N, minlength=num_ids)
    return rows_V, clicks_V


def clicks_of_a_rate(rows_V: np.ndarray, clicks_V: np.ndarray, rate: float) -> float:
    """Clicks an id needs before its own rate weighs as much as `rate`, that of all: the a of the Beta(a, a (1 - rate) / rate)
    from which the ids' rates come most likely, given their rows and clicks (empirical Bayes with the beta-binomial, Skellam,
    J. Royal Statistical Society B 10, 1948). Infinite if the ids differ no more than by chance.
    """
    (rows_U, clicks_U), times_U = np.unique(np.stack([rows_V, clicks_V]), axis=1, return_counts=True)

    def log_likelihood(a: float) -> float:
        b = a * (1 - rate) / rate
        return float((times_U * (betaln(clicks_U + a, rows_U - clicks_U + b) - betaln(a, b))).sum())

    best = int(np.argmax([log_likelihood(a) for a in CLICKS]))
    return float(CLICKS[best]) if best < len(CLICKS) - 1 else np.inf


def hide_ids(cat_idx_BF: Tensor, share_V: Tensor, offset_F: Tensor) -> Tensor:
    """`cat_idx_BF` with ids replaced by the unknown id 0, each with its own probability."""
    row_BF = cat_idx_BF + offset_F
    share_BF = share_V.index_select(0, row_BF.flatten()).view(row_BF.shape)  # twice as fast as share_V[row_BF]
    return cat_idx_BF.masked_fill(torch.rand(share_BF.shape, device=share_BF.device) < share_BF, 0)
