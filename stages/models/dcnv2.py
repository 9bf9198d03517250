"""DCN-V2: cross layers that multiply the inputs explicitly, beside or below a deep network.

Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi: DCN V2, improved deep & cross network. WWW 2021, arXiv 2008.13535.
Shape letters: I all inputs of a row, R rank.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stages.models.encoded_arrays import EncodedSpec
from stages.models.halved_linear import HalvedLinear
from stages.models.layers import FieldEmbedding, LogitLayer, build_mlp, concat_inputs

if TYPE_CHECKING:
    from stages.models.config import DCNv2Config


class CrossLayer(nn.Module):
    """x0 * (W x + b) + x, with W full or the product of two thin matrices."""

    def __init__(self, in_dim: int, rank: int) -> None:
        super().__init__()
        self.down = HalvedLinear(in_dim, rank, bias=False) if rank else nn.Identity()
        self.up = HalvedLinear(rank or in_dim, in_dim)

    def forward(self, x0_BI: Tensor, x_BI: Tensor) -> Tensor:
        return torch.mul(x0_BI, self.up(self.down(x_BI))).add_(x_BI)  # the backward of addcmul takes twice the passes


class DCNv2(nn.Module):
    def __init__(self, config: "DCNv2Config", spec: EncodedSpec, creative_dim: int) -> None:
        super().__init__()
        self.structure = config.structure
        self.embedding = self.field_embedding(config, spec)
        in_dim = spec.num_vectors * config.embedding_dim + len(spec.dense_names) + creative_dim
        layers = [CrossLayer(in_dim, config.cross_rank) for _ in range(config.num_cross_layers)]
        self.cross = nn.ModuleList(layers)
        self.deep = build_mlp(in_dim, config.hidden_dims, config.dropout)
        crossed_dims = [in_dim] if config.structure == "parallel" else []
        self.out = LogitLayer(*crossed_dims, config.hidden_dims[-1])

    def field_embedding(self, config: "DCNv2Config", spec: EncodedSpec) -> FieldEmbedding:
        return FieldEmbedding(spec, config.embedding_dim)

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        """Logits, float32 [B]."""
        x0_BI = concat_inputs(self.embedding(cat_idx_BF, num_feats_BM), num_feats_BM, creative_emb_BE)
        crossed_BI = x0_BI
        for layer in self.cross:
            crossed_BI = layer(x0_BI, crossed_BI)
        if self.structure == "stacked":
            return self.out(self.deep(crossed_BI))
        return self.out(crossed_BI, self.deep(x0_BI))
