"""FinalMLP: two deep streams, each seeing its own weighing of the inputs, fused by a multi-head bilinear form.

Mao, Zhu, Su, Cai, Li, Dong: FinalMLP, an enhanced two-stream MLP model for CTR prediction. AAAI 2023, arXiv 2304.00902.
Shape letters: I all inputs of a row, K heads, X and Y the widths of a head in stream 1 and 2.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stages.models.encoded_arrays import EncodedSpec
from stages.models.layers import EMBEDDING_STD, FieldEmbedding, LogitLayer, build_mlp, concat_inputs

if TYPE_CHECKING:
    from stages.models.config import FinalMLPConfig


class FeatureGate(nn.Module):
    """Weighs every input of a row by 2 * sigmoid(MLP(context)); the context is some fields, or a learnt constant."""

    def __init__(self, fields: list[int], in_dim: int, embedding_dim: int, gate_dims: list[int]) -> None:
        super().__init__()
        self.fields = fields
        context_dim = max(len(fields), 1) * embedding_dim
        self.constant = None if fields else nn.Parameter(torch.zeros(1, context_dim).normal_(std=EMBEDDING_STD))
        self.gate = nn.Sequential(build_mlp(context_dim, gate_dims, dropout=0.0), nn.Linear(gate_dims[-1], in_dim))

    def forward(self, emb_BFD: Tensor, inputs_BI: Tensor) -> Tensor:
        context = emb_BFD[:, self.fields].flatten(1) if self.constant is None else self.constant
        return 2 * torch.sigmoid(self.gate(context)) * inputs_BI


class BilinearFusion(nn.Module):
    """bias + w1 x + w2 y + the sum over heads of x_k W_k y_k, [B]."""

    def __init__(self, dim1: int, dim2: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.linear1 = LogitLayer(dim1)
        self.linear2 = LogitLayer(dim2, bias=False)
        self.weight_KXY = nn.Parameter(torch.empty(num_heads, dim1 // num_heads, dim2 // num_heads))
        nn.init.xavier_normal_(self.weight_KXY)

    def forward(self, stream1_BH: Tensor, stream2_BH: Tensor) -> Tensor:
        heads1_KBX = stream1_BH.unflatten(1, (self.num_heads, -1)).transpose(0, 1)
        heads2_KBY = stream2_BH.unflatten(1, (self.num_heads, -1)).transpose(0, 1)
        bilinear_B = (torch.bmm(heads1_KBX, self.weight_KXY) * heads2_KBY).sum(dim=(0, 2))
        return self.linear1(stream1_BH) + self.linear2(stream2_BH) + bilinear_B


class FinalMLP(nn.Module):
    def __init__(self, config: "FinalMLPConfig", spec: EncodedSpec, creative_dim: int) -> None:
        super().__init__()
        dim = config.embedding_dim
        in_dim = spec.num_vectors * dim + len(spec.dense_names) + creative_dim
        self.embedding = FieldEmbedding(spec, dim)
        self.gate1 = FeatureGate(self._places(config.gate1_fields, spec, "gate1_fields"), in_dim, dim, config.gate_dims)
        self.gate2 = FeatureGate(self._places(config.gate2_fields, spec, "gate2_fields"), in_dim, dim, config.gate_dims)
        self.stream1 = build_mlp(in_dim, config.stream1_dims, config.dropout)
        self.stream2 = build_mlp(in_dim, config.stream2_dims, config.dropout)
        self.fusion = BilinearFusion(config.stream1_dims[-1], config.stream2_dims[-1], config.num_heads)

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        """Logits, float32 [B]."""
        emb_BFD = self.embedding(cat_idx_BF, num_feats_BM)
        inputs_BI = concat_inputs(emb_BFD, num_feats_BM, creative_emb_BE)
        stream1_BH = self.stream1(self.gate1(emb_BFD, inputs_BI))
        stream2_BH = self.stream2(self.gate2(emb_BFD, inputs_BI))
        return self.fusion(stream1_BH, stream2_BH)

    def _places(self, names: list[str], spec: EncodedSpec, key: str) -> list[int]:
        """Where the embeddings of the fields called `names` come out. Raises ValueError for one that there is not."""
        known = self.embedding.names
        stray = next((name for name in names if name not in known), None)
        if stray is not None:
            allowed = ", ".join(sorted(known, key=place_in(spec)))
            raise ValueError(f"model.{key} names '{stray}', which is no encoded field; allowed: {allowed}")
        return [known.index(name) for name in names]


def place_in(spec: EncodedSpec) -> Callable[[str], int]:
    """Where a field stands, and a column with several values with its first slot."""
    first = {one.name: one.fields[0] for one in spec.lists}
    return lambda name: first[name] if name in first else spec.field_names.index(name)
