"""The part of a model that is a sum, beside the network: a weight for every id and number. Shape letters are those of layers."""

import numpy as np
import torch
from torch import Tensor, nn

from stages.models.encoded_arrays import EncodedSpec
from stages.models.layers import FirstOrder


class WithLinearPart(nn.Module):
    """A ranker whose logit is a weighted mean of a network's and of a linear part's."""

    def __init__(self, network: nn.Module, spec: EncodedSpec, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share
        self.linear = FirstOrder(spec, creative_dim=0)

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        """Logits, float32 [B]."""
        linear_B = self.linear(cat_idx_BF, num_feats_BM, creative_emb_BE)
        return (1 - self.share) * self.network(cat_idx_BF, num_feats_BM, creative_emb_BE) + self.share * linear_B

    def set_linear(self, weights: np.ndarray, intercept: float) -> None:
        """Take over the weights of a regression on one-hot ids and, behind them, the dense columns."""
        num_ids = len(self.linear.id_weight.weight_V)
        with torch.no_grad():
            self.linear.id_weight.weight_V.copy_(torch.from_numpy(weights[:num_ids]))
            if self.linear.dense_weight_M is not None:
                self.linear.dense_weight_M.copy_(torch.from_numpy(weights[num_ids:]))
            self.linear.bias.fill_(intercept)
