"""The whole model: a network that ranks encoded rows, and the creative tower it looks with. Built from plain values."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.models.creative_encoder import CreativeEncoder
from stages.models.dcnv2 import DCNv2
from stages.models.deepfm import DeepFM
from stages.models.din import DIN
from stages.models.encoded_arrays import EncodedSpec
from stages.models.finalmlp import FinalMLP
from stages.models.linear_part import WithLinearPart
from stages.models.logistic import Logistic

if TYPE_CHECKING:
    from stages.models.config import ModelConfig

NETWORKS = {"logistic": Logistic, "deepfm": DeepFM, "dcnv2": DCNv2, "din": DIN, "finalmlp": FinalMLP}
BIASES = {
    "logistic": "first_order.bias",
    "deepfm": "first_order.bias",
    "dcnv2": "out.bias",
    "din": "out.bias",
    "finalmlp": "fusion.linear1.bias",
}
ENCODE_IMAGES = 2048  # creatives encoded together when all of them are; bounds the memory it takes


class CtrNetwork(nn.Module):
    """`ranker(cat_idx_BF, num_feats_BM, creative_emb_BE) -> logit_B` and `creative_encoder(image_UCSS) -> emb_UE`.

    `creative_encoder` is None and `creative_dim` 0 where the data set has no creatives or the config leaves them out;
    `creative_emb_BE` then is [B, 0].
    """

    def __init__(self, config: "ModelConfig", spec: EncodedSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.creative_dim = config.creative_dim if spec.has_creative else 0
        if not spec.num_ids:
            raise ValueError("the data set has no categorical field, and every network needs one; declare one")
        self.ranker = NETWORKS[config.name](config, spec, self.creative_dim)
        uses_pixels = self.creative_dim > 0
        self.creative_encoder = CreativeEncoder(config.creative_channels, self.creative_dim) if uses_pixels else None
        self.calibration: nn.Module | None = None  # what an export adds; training and its weights know nothing of it

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, emb_UE: Tensor | None, creative_pos_B: Tensor | None) -> Tensor:
        """Logits, float32 [B]; row b looks at the creative whose embedding is row `creative_pos_B[b]` of `emb_UE`."""
        if emb_UE is None:
            creative_emb_BE = num_feats_BM.new_zeros(len(cat_idx_BF), 0)
        else:
            creative_emb_BE = functional.embedding(creative_pos_B, emb_UE)  # its backward is a fast sum, unlike emb[pos]
        return self.ranker(cat_idx_BF, num_feats_BM, creative_emb_BE)

    def start_at(self, num_clicks: float, num_rows: float) -> None:
        """Have the fresh network say of every row, about, what the click rate of all is.

        From a half, the way to two clicks in a thousand rows is longer than the bias alone goes in a training of few steps. (Lin,
        Goyal, Girshick, He, Dollár: Focal loss for dense object detection, ICCV 2017, section 4.1.)
        """
        log_odds = math.log((num_clicks + 0.5) / (num_rows - num_clicks + 0.5))
        with torch.no_grad():
            self.ranker.get_parameter(BIASES[self.config.name]).fill_(log_odds)

    def add_linear_part(self, share: float) -> None:
        """Have the ranker give `share` of its logit to a linear part with fresh weights, and the rest to the network."""
        self.ranker = WithLinearPart(self.ranker, self.spec, share)

    @property
    def linear_share(self) -> float:
        """How much of the logit is a linear part's; 0 without one."""
        return self.ranker.share if isinstance(self.ranker, WithLinearPart) else 0.0

    def field_offsets(self) -> Tensor:
        """Where each field's ids begin in a list of all columns' ids, int64 [F]."""
        return torch.tensor(self.spec.own_offsets[:-1], dtype=torch.int64)

    def encode_creatives(self, image_NCSS: Tensor) -> Tensor:
        """Embeddings of all creatives in `image_NCSS` (uint8), float32 [N, E], in bounded memory and without gradients."""
        with torch.no_grad():
            chunks = image_NCSS.split(ENCODE_IMAGES)
            return torch.cat([self.creative_encoder(chunk).float() for chunk in chunks])


def build_network(config: "ModelConfig", spec: EncodedSpec) -> CtrNetwork:
    """The model that `config` describes for the columns of `spec`, with fresh weights from torch's random state."""
    return CtrNetwork(config, spec)
