"""The champion's weights as initial weights of a network whose ids are numbered in another way."""

from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor

from stages.files import read_json
from stages.models.encoded_arrays import EncodedSpec
from stages.warm_start.inherited import DESCRIBED, ENCODER, WEIGHTS, Inherited
from stages.warm_start.rows import FieldRows, known_values, rows_by_value

TABLES = ("embedding.table.weight", "id_weight.weight_V")  # parameters with a row for every id of every field
NETWORK, LINEAR = "ranker.network.", "ranker.linear."  # how names begin where the champion has a linear part
RANKER = "ranker."
SAME = ("field_names", "dense_names", "numbers", "has_creative", "creative_field", "image_size")  # of the two specs


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """What a training starts from instead of random weights."""

    weights: dict[str, Tensor]
    fields: list[FieldRows]

    def summary(self) -> str:
        kept, new, gone = (sum(getattr(field, what) for field in self.fields) for what in ("kept", "new", "gone"))
        return f"{kept:,} ids start as the champion's, {new:,} new ones as its unknown, {gone:,} of its ids are gone"


def initial_weights(inherited: Inherited, spec: EncodedSpec, encoder_values: dict[str, tuple[str, ...]]) -> InitialWeights:
    """The champion's weights, rows of ids by value; `spec` and `encoder_values` are the new encoder's.

    Raises ValueError if the new columns are not the champion's.
    """
    old = EncodedSpec.from_json(read_json(inherited.folder / DESCRIBED)["spec"])
    other = next((name for name in SAME if getattr(old, name) != getattr(spec, name)), None)
    if other is not None:
        raise ValueError(
            f"train.start is champion, but the encoded rows are not as the champion reads them ({other} differs); run the stages "
            "`fit` and `encode` again, or train with train.start=scratch"
        )
    rows_V, fields = rows_by_value(old, spec, known_values(inherited.folder / ENCODER), encoder_values)
    weights = carried_over(without_linear_part(load_file(inherited.folder / WEIGHTS)), torch.from_numpy(rows_V))
    return InitialWeights(weights=weights, fields=fields)


def without_linear_part(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's own weights. A linear part is no start: it is fitted anew, as a whole, behind every training."""
    if not any(name.startswith(LINEAR) for name in weights):
        return weights
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(LINEAR)}
    return {name.replace(NETWORK, RANKER, 1): tensor for name, tensor in kept.items()}


def carried_over(weights: dict[str, Tensor], rows_V: Tensor) -> dict[str, Tensor]:
    """`weights` with the rows of every table in the order of `rows_V`."""
    return {name: tensor.index_select(0, rows_V) if name.endswith(TABLES) else tensor for name, tensor in weights.items()}
