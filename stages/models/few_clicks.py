"""Where clicks are few, a trained network shares its logit with a penalised logistic regression, as far as val is for it.

Some hundred clicks are learnt by heart before val, which holds a few dozen, can stop the training; a sum with one penalty is
not. The mean of the two logits is Wolpert's stacking with a single weight (Stacked generalization, Neural Networks 5, 1992).
With thousands of clicks val gives the regression nothing, and its fit would take its time for it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.models.encoded_arrays import EncodedSplit
from stages.models.network import CtrNetwork
from stages.models.penalised_logistic import choose_logistic
from stages.models.val_metrics import auc, log_loss

FEW = 5_000  # training rows of the rarer label
SHARES = tuple(tenths / 10 for tenths in range(1, 10))  # of the logit; 0 is the network alone
C_VALUES, MAX_ITER = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), 200
VAL_ROWS = 8192  # rows of val that are looked at together


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """How good a network is on val with the linear part that it was given."""

    share: float
    log_loss: float
    auc: float


def has_few_clicks(train: EncodedSplit) -> bool:
    """Whether `train` holds both labels, and few rows of the rarer."""
    num_clicks = int(train.label_N.sum(dtype=np.int64))
    return 0 < min(num_clicks, len(train) - num_clicks) < FEW


def share_with_linear_part(
    network: CtrNetwork,
    train: EncodedSplit,
    val: EncodedSplit,
    image_NCSS: Tensor | None,
    seed: int,
    logit_shift: float = 0.0,
) -> Mixed | None:
    """Give `network`, trained, a linear part with the share that is best on `val`; None, and nothing given, if none is better.

    `logit_shift` is what a logit of all rows is above one of the rows in `train` (`EpochRows`).
    """
    logit_N = val_logits(network, val, image_NCSS)
    kept = choose_logistic(train, val, network.spec, C_VALUES, MAX_ITER, seed, logit_shift)
    mixtures = {share: (1 - share) * logit_N + share * kept.val_logit_N for share in SHARES}
    losses = {share: log_loss(mixture_N, val.label_N, val.weight_N) for share, mixture_N in mixtures.items()}
    share = min(losses, key=losses.get)
    if losses[share] >= log_loss(logit_N, val.label_N, val.weight_N):
        return None
    network.add_linear_part(share)
    network.ranker.set_linear(kept.model.coef_[0], float(kept.model.intercept_[0]) + logit_shift)
    return Mixed(share=share, log_loss=losses[share], auc=auc(mixtures[share], val.label_N, val.weight_N))


def val_logits(network: CtrNetwork, val: EncodedSplit, image_NCSS: Tensor | None) -> np.ndarray:
    """What `network` says of `val`, float32 [N], as it is exported: without dropout, each creative looked at once."""
    network.eval()
    emb_NE = None if network.creative_encoder is None else network.encode_creatives(image_NCSS)
    parts = []
    with torch.no_grad():
        for start in range(0, len(val), VAL_ROWS):
            rows = slice(start, start + VAL_ROWS)
            cat_idx_BF = torch.from_numpy(val.cat_idx_NF[rows].astype(np.int64))
            creative_pos_B = None if emb_NE is None else torch.from_numpy(val.creative_idx_N[rows].astype(np.int64))
            parts.append(network(cat_idx_BF, torch.from_numpy(np.array(val.num_feats_NM[rows])), emb_NE, creative_pos_B))
    return torch.cat(parts).numpy()
