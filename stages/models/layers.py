"""Parts that several networks share. Shape letters: B batch, F fields, D embedding, M dense columns, E creative, H hidden."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EMBEDDING_STD = 0.01  # small, so that an id seen twice does not start with an opinion


class FieldEmbedding(nn.Module):
    """One table for all fields: field f's id i is row offset_f + i, so a batch is one lookup."""

    def __init__(self, num_ids: Sequence[int], embedding_dim: int) -> None:
        super().__init__()
        offsets = torch.tensor([0, *num_ids], dtype=torch.int64).cumsum(0)
        self.register_buffer("offset_F", offsets[:-1], persistent=False)
        self.table = nn.Embedding(int(offsets[-1]), embedding_dim)
        nn.init.normal_(self.table.weight, std=EMBEDDING_STD)

    def forward(self, cat_idx_BF: Tensor) -> Tensor:
        """Embeddings, float32 [B, F, D]."""
        return self.table(cat_idx_BF + self.offset_F)


def build_mlp(in_dim: int, hidden_dims: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, ReLU and (if asked) dropout for each width in `hidden_dims`."""
    layers: list[nn.Module] = []
    for hidden_dim in hidden_dims:
        layers += [nn.Linear(in_dim, hidden_dim), nn.ReLU()]
        if dropout > 0:
            layers.append(ByteDropout(dropout))
        in_dim = hidden_dim
    return nn.Sequential(*layers)


class ByteDropout(nn.Module):
    """Dropout that draws one random byte a value: on a CPU ten times faster than torch's, which draws a float each.

    The share dropped is `dropout` rounded to a 256th; what is kept is scaled so that the mean stays the same.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.num_dropped = round(dropout * 256)

    def forward(self, x_BH: Tensor) -> Tensor:
        if not self.training or self.num_dropped == 0:
            return x_BH
        words = torch.empty(-(-x_BH.numel() // 8), dtype=torch.int64, device=x_BH.device).random_(-(2**63), None)
        byte_BH = words.view(torch.uint8)[: x_BH.numel()].view(x_BH.shape)
        return x_BH * ((byte_BH >= self.num_dropped) * (256 / (256 - self.num_dropped)))


def concat_inputs(emb_BFD: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
    """All inputs of a row side by side, [B, F*D + M + E]; parts of width 0 are left out."""
    parts = [emb_BFD.flatten(1), num_feats_BM, creative_emb_BE]
    return torch.cat([part for part in parts if part.shape[1] > 0], dim=1)


class FirstOrder(nn.Module):
    """bias + a weight for every id + a weight for every dense column and creative value, summed to [B]."""

    def __init__(self, num_ids: Sequence[int], num_dense: int, creative_dim: int) -> None:
        super().__init__()
        self.id_weight = FieldEmbedding(num_ids, 1)
        self.bias = nn.Parameter(torch.zeros(()))
        self.dense_weight_M = nn.Parameter(torch.zeros(num_dense))
        self.creative_weight_E = nn.Parameter(torch.zeros(creative_dim).normal_(std=EMBEDDING_STD))

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        logit_B = self.id_weight(cat_idx_BF).squeeze(2).sum(dim=1) + self.bias
        if self.dense_weight_M.numel() > 0:
            logit_B = logit_B + num_feats_BM @ self.dense_weight_M
        if self.creative_weight_E.numel() > 0:
            logit_B = logit_B + creative_emb_BE @ self.creative_weight_E
        return logit_B
