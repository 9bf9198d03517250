"""The creative tower: a small convolutional network from the pixels of a creative to its embedding.

Shape letters: U distinct creatives, C channels, S pixels a side, E embedding.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class CreativeEncoder(nn.Module):
    """Raw pixels, uint8 or float 0..255 [U, 3, S, S], to embeddings, float32 [U, E]. Normalises inside.

    The embedding is a linear map of the mean colour and of the mean and the maximum of every stage, not of the last alone: how
    many edges or spots there are is plain after the first stages, and a tower that is shown a thousand images need not learn
    to carry that through the others. Every convolution looks at squares that overlap: a first one that looks at each square
    of 4 x 4 once costs a third, and tells less about creatives that training did not see.
    No batch norm: a creative's embedding must not depend on which others are in the batch.
    """

    def __init__(self, channels: Sequence[int], creative_dim: int) -> None:
        super().__init__()
        sizes = pairwise([3, *channels])
        self.convs = nn.ModuleList(nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=2, padding=1) for fan_in, fan_out in sizes)
        self.out = nn.Linear(3 + 2 * sum(channels), creative_dim)

    def forward(self, image_UCSS: Tensor) -> Tensor:
        x = image_UCSS.float() * (2 / 255) - 1.0
        seen = [x.mean(dim=(2, 3))]
        for conv in self.convs:
            x = torch.relu(conv(x))
            seen += [x.mean(dim=(2, 3)), x.amax(dim=(2, 3))]
        return self.out(torch.cat(seen, dim=1))
