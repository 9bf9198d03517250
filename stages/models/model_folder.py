"""The folder a trained model is kept in: weights.safetensors, and model.json with the plain values that rebuild it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file
from torch import Tensor

from stages.files import read_json, write_json
from stages.models.config import ModelConfig
from stages.models.encoded_arrays import EncodedSpec
from stages.models.network import CtrNetwork, build_network
from stages.models.weights_file import write_weights

FORMAT = 1  # of model.json; raise it when its layout changes


def save_model(folder: Path, network: CtrNetwork, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write `weights` of `network` and what rebuilds it; `facts` is more to keep in model.json, such as the best epoch."""
    write_json(
        folder / "model.json",
        {
            "format": FORMAT,
            "model": asdict(network.config),
            "spec": network.spec.to_json(),
            "linear_share": network.linear_share,
            **facts,
        },
    )
    write_weights(folder / "weights.safetensors", weights)


def load_model(folder: Path) -> CtrNetwork:
    """The model in `folder`, in evaluation mode. Raises ValueError if the folder does not hold one."""
    if not (folder / "model.json").is_file():
        raise ValueError(f"{folder / 'model.json'} is missing; run the stage `train` first")
    described = read_json(folder / "model.json")
    if described.get("format") != FORMAT:
        raise ValueError(f"{folder / 'model.json'} must have format {FORMAT}, got {described.get('format')}; train again")
    try:
        config = TypeAdapter(ModelConfig).validate_python(described["model"])
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"{folder / 'model.json'} holds no known network ({problem['msg']}); train again") from error
    network = build_network(config, EncodedSpec.from_json(described["spec"]))
    if share := described.get("linear_share", 0.0):
        network.add_linear_part(share)
    try:
        network.load_state_dict(load_file(folder / "weights.safetensors"))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder} holds weights of another network than model.json ({reason}); train again") from error
    return network.eval()
