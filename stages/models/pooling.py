"""From the vectors of a column's several values to one: their mean or sum, or target attention.

Shape letters: B batch, L slots of a column, D embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stages.models.list_fields import MISSING_ID, ListFields


def slots_there(ids_BL: Tensor) -> Tensor:
    """1 for slots with a value, else 0, float32 [B, L]. Without any the first one, which is missing, stands for all."""
    is_there_BL = ids_BL != MISSING_ID
    stands_in_B1 = ~is_there_BL.any(dim=1, keepdim=True)
    return torch.cat([is_there_BL[:, :1] | stands_in_B1, is_there_BL[:, 1:]], dim=1).float()


def slot_shares(ids_BL: Tensor, pool: str) -> Tensor:
    """What each slot counts, float32 [B, L]: `list_fields.slot_weights` in torch."""
    there_BL = slots_there(ids_BL)
    return there_BL if pool == "sum" else there_BL / there_BL.sum(dim=1, keepdim=True)


def weighted_sum(weight_BL: Tensor, emb_BLD: Tensor) -> Tensor:
    """[B, 1, D]; a product of matrices, which ONNX Runtime adds up row by row, wherever in a batch a row stands."""
    return torch.matmul(weight_BL.unsqueeze(1), emb_BLD)


class TargetAttention(nn.Module):
    """Weights of a sequence's values by what is shown, after Zhou et al., Deep Interest Network, KDD 2018, section 4.3.

    A small network sees the value's vector, that of what is shown, their difference and their product, and gives the value a
    weight; the weights are not made to sum to 1, so that the sum tells how much there is of interest. Unlike there, its hidden
    units are ReLU: Dice looks at the other rows of a batch, and a row's prediction must not depend on them.
    """

    def __init__(self, embedding_dim: int, hidden_dims: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 4 * embedding_dim
        for hidden_dim in hidden_dims:
            layers += [nn.Linear(width, hidden_dim), nn.ReLU()]
            width = hidden_dim
        self.unit = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, ids_BL: Tensor, emb_BLD: Tensor, shown_BD: Tensor) -> Tensor:
        """[B, 1, D]."""
        hidden_BLH = self._first(emb_BLD, shown_BD)
        weight_BL = self.unit[1:](hidden_BLH).squeeze(2)
        return weighted_sum(weight_BL * slots_there(ids_BL), emb_BLD)

    def _first(self, emb_BLD: Tensor, shown_BD: Tensor) -> Tensor:
        """The first layer of [q, k, q - k, q * k] for what is shown, q, and each value, k.

        By parts of its weights it is (Wq + Wd) q + (Wk - Wd + Wp diag(q)) k: a matrix a row, and a third of the work.
        """
        first = self.unit[0]
        of_q_HD, of_k_HD, of_difference_HD, of_product_HD = first.weight.chunk(4, dim=1)
        alone_BH = nn.functional.linear(shown_BD, of_q_HD + of_difference_HD, first.bias)
        matrix_BDH = (of_k_HD - of_difference_HD).t() + shown_BD.unsqueeze(2) * of_product_HD.t()
        return torch.matmul(emb_BLD, matrix_BDH) + alone_BH.unsqueeze(1)


class ListPooling(nn.Module):
    """One vector for each column with several values."""

    def __init__(
        self, lists: Sequence[ListFields], embedding_dim: int, attention_dims: Sequence[int] | None, target_places: Sequence[int]
    ) -> None:
        """With `attention_dims` sequences are pooled by attention, to what stands at `target_places` among the other vectors."""
        super().__init__()
        self.lists, self.target_places = tuple(lists), tuple(target_places)
        attended = [one.name for one in lists if attention_dims is not None and one.role == "sequence"]
        self.attention = nn.ModuleList(TargetAttention(embedding_dim, attention_dims or ()) for _ in attended)
        self.unit_of = {name: number for number, name in enumerate(attended)}

    def forward(self, cat_idx_BF: Tensor, slot_BSD: Tensor, other_BFD: Tensor) -> list[Tensor]:
        """A tensor [B, 1, D] a column, of the vectors of all slots, in the order of the columns, and of the other fields."""
        pooled = []
        for one, emb_BLD in zip(self.lists, slot_BSD.split([len(one.fields) for one in self.lists], dim=1), strict=True):
            ids_BL = cat_idx_BF[:, one.columns]
            if one.name in self.unit_of:
                unit = self.unit_of[one.name]
                pooled.append(self.attention[unit](ids_BL, emb_BLD, other_BFD[:, self.target_places[unit]]))
            else:
                pooled.append(weighted_sum(slot_shares(ids_BL, one.pool), emb_BLD))
        return pooled
