"""Logistic regression on the encoded columns and the creative's embedding: the reference of the other networks."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from stages.models.encoded_arrays import EncodedSpec
from stages.models.layers import FirstOrder

if TYPE_CHECKING:
    from stages.models.config import LogisticConfig


class Logistic(nn.Module):
    """The first-order term and nothing else."""

    def __init__(self, config: "LogisticConfig", spec: EncodedSpec, creative_dim: int) -> None:
        super().__init__()
        self.first_order = FirstOrder(spec, creative_dim)

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        """Logits, float32 [B]."""
        return self.first_order(cat_idx_BF, num_feats_BM, creative_emb_BE)
