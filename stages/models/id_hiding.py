"""Shows known ids as unknown now and then while training: the rarer an id, the more often.

An id seen n times is hidden with probability prior / (prior + n); the prior is the rows in which so many clicks are
expected as `train.unknown_prior_clicks` says: evidence comes in clicks. That trains the unknown id on every kind of row, and it
keeps ids with little evidence of their own (a user with three clicks) from being learnt by heart: the weight given to
what an id says grows with its count as in a smoothed rate, n / (prior + n). Dropping features by frequency to train
unseen ones: Volkovs, Yu, Poutanen, DropoutNet, NIPS 2017.
Shape letters: B batch, N rows, F fields, V rows of the fused embedding table.
"""

import numpy as np
import torch
from torch import Tensor

FIRST_VALUE_ID = 2  # ids 0 and 1 mean unknown and missing; only known values are shown as unknown
COUNT_ROWS = 1 << 20  # rows counted together; bounds the memory it takes


def hiding_shares(cat_idx_NF: np.ndarray, num_ids: tuple[int, ...], prior: float) -> Tensor:
    """The probability with which each row of the fused table is hidden, float32 [V]; 0 for unknown and missing."""
    offset_F = np.concatenate([[0], np.cumsum(num_ids)])
    count_V = np.zeros(offset_F[-1], dtype=np.int64)
    for start in range(0, len(cat_idx_NF), COUNT_ROWS):
        rows_BF = cat_idx_NF[start : start + COUNT_ROWS] + offset_F[:-1]
        count_V += np.bincount(rows_BF.ravel(), minlength=len(count_V))
    share_V = prior / np.maximum(prior + count_V, 1e-12)
    for offset in offset_F[:-1]:
        share_V[offset : offset + FIRST_VALUE_ID] = 0.0
    return torch.from_numpy(share_V.astype(np.float32))


def hide_ids(cat_idx_BF: Tensor, share_V: Tensor, offset_F: Tensor) -> Tensor:
    """`cat_idx_BF` with ids replaced by the unknown id 0, each with its own probability."""
    row_BF = cat_idx_BF + offset_F
    share_BF = share_V.index_select(0, row_BF.flatten()).view(row_BF.shape)  # twice as fast as share_V[row_BF]
    return cat_idx_BF.masked_fill(torch.rand(share_BF.shape, device=share_BF.device) < share_BF, 0)
