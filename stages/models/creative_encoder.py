"""The creative tower: a small convolutional network from the pixels of a creative to its embedding.

Shape letters: U distinct creatives, C channels, S pixels a side, E embedding.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

STEM_PX = 4  # the first convolution looks at squares of this side, each once: a quarter of the cost of overlapping ones


class CreativeEncoder(nn.Module):
    """Raw pixels, uint8 or float 0..255 [U, 3, S, S], to embeddings, float32 [U, E]. Normalises inside.

    The mean colour goes into the embedding beside the last stage's mean and maximum.
    No batch norm: a creative's embedding must not depend on which others are in the batch.
    """

    def __init__(self, channels: Sequence[int], creative_dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, channels[0], kernel_size=STEM_PX, stride=STEM_PX),
                *(nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=2, padding=1) for fan_in, fan_out in pairwise(channels)),
            ]
        )
        self.out = nn.Linear(3 + 2 * channels[-1], creative_dim)

    def forward(self, image_UCSS: Tensor) -> Tensor:
        x = image_UCSS.float() * (2 / 255) - 1.0
        colour_UC = x.mean(dim=(2, 3))
        for conv in self.convs:
            x = torch.relu(conv(x))
        return self.out(torch.cat([colour_UC, x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1))
