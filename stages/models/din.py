"""DIN: what a user clicked before, weighed by what is shown now, before the deep network.

Zhou, Zhu, Song, Fan, Zhu, Ma, Yan, Jin, Li, Gai: Deep Interest Network for click-through rate prediction. KDD 2018, arXiv
1706.06978. The attention is theirs (`pooling.py` says what differs in it). What comes behind is DCN-V2's: its deep network,
beside which cross layers see the same inputs; ReLU and dropout stand for Dice and mini-batch aware regularisation, and ids with
little evidence are hidden as in all networks here. The target is the field whose vocabulary a sequence shares, or else the
creative's.
"""

from typing import TYPE_CHECKING

from stages.models.dcnv2 import DCNv2
from stages.models.encoded_arrays import EncodedSpec
from stages.models.layers import FieldEmbedding

if TYPE_CHECKING:
    from stages.models.config import DINConfig


class DIN(DCNv2):
    """DCN-V2 with target attention over each sequence."""

    def field_embedding(self, config: "DINConfig", spec: EncodedSpec) -> FieldEmbedding:
        """Raises ValueError where a sequence has nothing to be compared with."""
        aimless = next((one.name for one in spec.lists if one.role == "sequence" and one.target is None), None)
        if aimless is not None:
            raise ValueError(
                f"model=din compares the values of '{aimless}' with what is shown, but the model sees no such column: declare "
                "the sequence's vocabulary (such as the column of the creative, with keep: true), or take another network"
            )
        return FieldEmbedding(spec, config.embedding_dim, config.attention_dims)
