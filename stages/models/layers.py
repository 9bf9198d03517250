"""Parts that several networks share. Shape letters: B batch, F fields, D embedding, M dense columns, E creative, H hidden."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.models.encoded_arrays import EncodedSpec
from stages.models.halved_linear import HalvedLinear
from stages.models.number_embedding import NumberEmbedding
from stages.models.pooling import ListPooling, slot_shares, weighted_sum
from stages.models.relu_dropout import ReluDropout

EMBEDDING_STD = 0.05  # small, so that an id seen twice does not start with an opinion; smaller ones learn too slowly


class FieldEmbedding(nn.Module):
    """One table for all fields: field f's id i is row offset_f + i, so a batch is one lookup. Numbers add to their buckets'
    rows where in the bucket they are. Of a column with several values one vector comes out, pooled of its slots'.
    """

    def __init__(self, spec: EncodedSpec, embedding_dim: int, attention_dims: Sequence[int] | None = None) -> None:
        """With `attention_dims` sequences are pooled by target attention, whose hidden layers are that wide."""
        super().__init__()
        offsets = torch.tensor(spec.shared_offsets, dtype=torch.int64)
        numbers = [number for number in spec.numbers if len(number.knots) > 1]
        last, slots = [number.field for number in numbers], [field for one in spec.lists for field in one.fields]
        alone = [field for field in range(len(spec.num_ids)) if field not in {*last, *slots}]
        self.order = order = alone + slots + last
        self.sizes = [len(alone), len(slots), len(last)]
        self.names = [  # as the embeddings come out
            *(spec.field_names[field] for field in alone),
            *(one.name for one in spec.lists),
            *(spec.field_names[field] for field in last),
        ]
        self.register_buffer("order_F", torch.tensor(order), persistent=False)
        self.register_buffer("offset_F", offsets[:-1][order], persistent=False)
        self.table = nn.Embedding(int(offsets[-1]), embedding_dim)
        nn.init.normal_(self.table.weight, std=EMBEDDING_STD)
        self.numbers = NumberEmbedding(numbers, embedding_dim) if numbers else None
        targets = [self.names.index(str(one.target)) for one in spec.lists if one.role == "sequence" and one.target is not None]
        self.lists = ListPooling(spec.lists, embedding_dim, attention_dims, targets) if spec.lists else None

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor) -> Tensor:
        """Embeddings, float32 [B, F, D], in the order of `names`: the numbers come last."""
        if self.numbers is None and self.lists is None:
            return self._looked_up(cat_idx_BF + self.offset_F)
        emb_BFD = self._looked_up(cat_idx_BF.index_select(1, self.order_F) + self.offset_F)
        if self.lists is None:
            num_others = self.sizes[0]
            return torch.cat([emb_BFD[:, :num_others], emb_BFD[:, num_others:] + self.numbers(num_feats_BM)], dim=1)
        alone_BFD, slot_BSD, number_BMD = emb_BFD.split(self.sizes, dim=1)
        parts = [alone_BFD, *self.lists(cat_idx_BF, slot_BSD, alone_BFD)]
        if self.numbers is not None:
            parts.append(number_BMD + self.numbers(num_feats_BM))
        return torch.cat(parts, dim=1)

    def _looked_up(self, row_BF: Tensor) -> Tensor:
        if self.training and row_BF.device.type == "cpu":  # on a CPU the backward of index_select is five times faster
            return self.table.weight.index_select(0, row_BF.flatten()).view(*row_BF.shape, -1)
        return self.table(row_BF)


class FieldWeight(nn.Module):
    """One weight an id, for all fields. Unlike a table of width 1, its backward costs next to nothing.

    A column with several values has weights of its own, also where it shares another one's vectors: what an ad that is shown
    says of the click is not what one says that was clicked before.
    """

    def __init__(self, spec: EncodedSpec) -> None:
        super().__init__()
        offsets = torch.tensor(spec.own_offsets, dtype=torch.int64)
        self.lists = spec.lists
        slots = {field for one in spec.lists for field in one.fields}
        alone = [field for field in range(len(spec.num_ids)) if field not in slots]
        self.register_buffer("alone_F", torch.tensor(alone, dtype=torch.int64), persistent=False)
        self.register_buffer("offset_F", offsets[:-1], persistent=False)
        self.weight_V = nn.Parameter(torch.zeros(int(offsets[-1])).normal_(std=EMBEDDING_STD))

    def forward(self, cat_idx_BF: Tensor) -> Tensor:
        """Weights, float32 [B, F]; of a column with several values the mean or sum."""
        row_BF = cat_idx_BF + self.offset_F
        weight_BF = self.weight_V.index_select(0, row_BF.flatten()).view(row_BF.shape)
        if not self.lists:
            return weight_BF
        pooled = [
            weighted_sum(slot_shares(cat_idx_BF[:, one.columns], one.pool), weight_BF[:, one.columns].unsqueeze(2)).squeeze(2)
            for one in self.lists
        ]
        return torch.cat([weight_BF.index_select(1, self.alone_F), *pooled], dim=1)


def build_mlp(in_dim: int, hidden_dims: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, ReLU and dropout for each width in `hidden_dims`."""
    layers: list[nn.Module] = []
    for hidden_dim in hidden_dims:
        layers += [HalvedLinear(in_dim, hidden_dim), ReluDropout(dropout)]
        in_dim = hidden_dim
    return nn.Sequential(*layers)


class LogitLayer(nn.Linear):
    """nn.Linear to one value a row, of parts that stand side by side.

    In training the parts stay where they are and nothing is rounded to bfloat16: a logit of -3.5 in bfloat16 is one of 64
    values between -4 and -3, and on a CPU a product with one column takes longer.
    """

    def __init__(self, *part_dims: int, bias: bool = True) -> None:
        super().__init__(sum(part_dims), 1, bias=bias)
        self.part_dims = part_dims

    def forward(self, *parts: Tensor) -> Tensor:
        """float32 [B] of parts [B, part_dim]."""
        if not self.training:
            return super().forward(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]).squeeze(1)
        weights = self.weight.squeeze(0).split(self.part_dims)
        products_B = [(part * weight).sum(dim=1) for part, weight in zip(parts, weights, strict=True)]
        return reduce(torch.add, products_B if self.bias is None else [*products_B, self.bias])


def concat_inputs(emb_BFD: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
    """All inputs of a row side by side, [B, F*D + M + E]; parts of width 0 are left out."""
    parts = [emb_BFD.flatten(1), num_feats_BM, creative_emb_BE]
    return torch.cat([part for part in parts if part.shape[1] > 0], dim=1)


class FirstOrder(nn.Module):
    """bias + a weight for every id + a weight for every dense column and creative value, summed to [B]."""

    def __init__(self, spec: EncodedSpec, creative_dim: int) -> None:
        super().__init__()
        num_dense = len(spec.dense_names)
        self.id_weight = FieldWeight(spec)
        self.bias = nn.Parameter(torch.zeros(()))
        # None rather than empty: DDP waits for the gradient of every parameter, and of these none would come
        self.dense_weight_M = nn.Parameter(torch.zeros(num_dense)) if num_dense else None
        self.creative_weight_E = nn.Parameter(torch.zeros(creative_dim).normal_(std=EMBEDDING_STD)) if creative_dim else None

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        logit_B = self.id_weight(cat_idx_BF).sum(dim=1) + self.bias
        if self.dense_weight_M is not None:
            logit_B = logit_B + self._weighted(num_feats_BM, self.dense_weight_M)
        if self.creative_weight_E is not None:
            logit_B = logit_B + self._weighted(creative_emb_BE, self.creative_weight_E)
        return logit_B

    def _weighted(self, values_BX: Tensor, weight_X: Tensor) -> Tensor:
        """Their weighted sum, [B]; as for `LogitLayer`, in training nothing is rounded to bfloat16.

        Exported it is a product of matrices: ONNX Runtime adds one with a vector in an order that depends on where in the batch a
        row stands.
        """
        if self.training:
            return (values_BX * weight_X).sum(dim=1)
        return functional.linear(values_BX, weight_X[None]).squeeze(1)
