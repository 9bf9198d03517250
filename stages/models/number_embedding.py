"""What a number adds to the embedding of its bucket: a line through each bucket, bent at its ends and nowhere broken.

Piecewise-linear encoding of Gorishniy, Rubachev, Babenko: On embeddings for numerical features in tabular deep learning,
NeurIPS 2022, arXiv 2203.05556, followed by a linear map for each number. Neighbouring buckets share all the steps below them,
so a rise that many buckets show together is learnt from all their rows; what a single bucket has of its own is in its id.
Shape letters: B batch, M numbers, K buckets (those of the number that has most), D embedding.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stages.models.encoded_arrays import Number


class NumberEmbedding(nn.Module):
    """[B, num_dense] to float32 [B, M, D]: for every number the sum over buckets of how far it is through each, 0 to 1, times
    a vector of the bucket.
    """

    def __init__(self, numbers: Sequence[Number], embedding_dim: int) -> None:
        super().__init__()
        self.num_numbers = len(numbers)
        num_buckets = max(len(number.knots) for number in numbers) - 1
        low_MK, rate_MK = torch.zeros(len(numbers), num_buckets), torch.zeros(len(numbers), num_buckets)
        for m, number in enumerate(numbers):
            knots = torch.tensor(number.knots, dtype=torch.float64)
            low_MK[m, : len(knots) - 1] = knots[:-1]
            rate_MK[m, : len(knots) - 1] = 1 / knots.diff()
        self.register_buffer("dense_M", torch.tensor([number.dense for number in numbers]), persistent=False)
        self.register_buffer("low_MK", low_MK, persistent=False)
        self.register_buffer("rate_MK", rate_MK, persistent=False)  # 0 where a number has fewer buckets: it is never through
        self.scale = 1 / math.sqrt(num_buckets)
        self.step_MKD = nn.Parameter(torch.zeros(len(numbers), num_buckets, embedding_dim))

    def forward(self, num_feats_BM: Tensor) -> Tensor:
        x_BM1 = num_feats_BM.index_select(1, self.dense_M).unsqueeze(2)
        through_BMK = ((x_BM1 - self.low_MK) * self.rate_MK).clamp(0.0, 1.0) * self.scale
        return torch.matmul(through_BMK.transpose(0, 1), self.step_MKD).transpose(0, 1)
