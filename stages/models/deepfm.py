"""DeepFM: a factorisation machine and a deep network on the same embeddings.

Guo, Tang, Ye, Li, He: DeepFM, a factorization-machine based neural network for CTR prediction. IJCAI 2017,
arXiv 1703.04247. Dense columns and the creative's embedding take part in the pairwise term through a vector of their own.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stages.models.encoded_arrays import EncodedSpec
from stages.models.layers import EMBEDDING_STD, FieldEmbedding, FirstOrder, LogitLayer, build_mlp, concat_inputs

if TYPE_CHECKING:
    from stages.models.config import DeepFMConfig


class DeepFM(nn.Module):
    def __init__(self, config: "DeepFMConfig", spec: EncodedSpec, creative_dim: int) -> None:
        super().__init__()
        num_dense, dim = len(spec.dense_names), config.embedding_dim
        self.embedding = FieldEmbedding(spec, dim)
        self.first_order = FirstOrder(spec, creative_dim)
        self.dense_vector_MD = nn.Parameter(torch.zeros(num_dense, dim).normal_(std=EMBEDDING_STD)) if num_dense else None
        self.creative_vector = nn.Linear(creative_dim, dim, bias=False) if creative_dim else None
        in_dim = spec.num_vectors * dim + num_dense + creative_dim
        self.deep = build_mlp(in_dim, config.hidden_dims, config.dropout)
        self.deep_out = LogitLayer(config.hidden_dims[-1], bias=False)

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        """Logits, float32 [B]."""
        emb_BFD = self.embedding(cat_idx_BF, num_feats_BM)
        deep_B = self.deep_out(self.deep(concat_inputs(emb_BFD, num_feats_BM, creative_emb_BE)))
        with torch.autocast(emb_BFD.device.type, enabled=False):  # squares that nearly cancel: not in bfloat16
            pairs_B = self._pairs(emb_BFD, num_feats_BM, creative_emb_BE.float())
        return self.first_order(cat_idx_BF, num_feats_BM, creative_emb_BE) + pairs_B + deep_B

    def _pairs(self, emb_BFD: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        """Sum over all pairs of fields of the dot product of their vectors, [B]."""
        sum_BD, square_sum_BD = emb_BFD.sum(dim=1), emb_BFD.square().sum(dim=1)
        if self.dense_vector_MD is not None:
            sum_BD = sum_BD + num_feats_BM @ self.dense_vector_MD
            square_sum_BD = square_sum_BD + num_feats_BM.square() @ self.dense_vector_MD.square()
        if self.creative_vector is not None:
            vector_BD = self.creative_vector(creative_emb_BE)
            sum_BD, square_sum_BD = sum_BD + vector_BD, square_sum_BD + vector_BD.square()
        return 0.5 * (sum_BD.square() - square_sum_BD).sum(dim=1)
