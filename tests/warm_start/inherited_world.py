"""A champion with random weights and an encoder that numbers some values in another way, for the columns of `encoded_world`."""

from pathlib import Path

import onnx
import torch

from stages.features.graph import build_encoder
from stages.features.vocabulary import FIRST_ID, Scale, Vocabulary
from stages.files import write_json
from stages.models.encoded_arrays import EncodedSpec, Number
from stages.models.model_folder import save_model
from stages.models.network import CtrNetwork, build_network
from stages.warm_start.inherited import FOLDER, Inherited, Origin, read_inherited, write_start
from tests.models.encoded_world import World, model_config, spec_of

OLD = (("a", "b", "c"), ("x", "y"))  # values of two fields, in the order of their ids
NEW = (("c", "d", "a"), ("y", "z", "w", "x"))
EDGES = (0.0, 1.0)
ORIGIN = Origin(champion="f" * 64, learned_until="2026-05-20T00:00:00+00:00")


def spec_with(values: tuple[tuple[str, ...], ...]) -> EncodedSpec:
    """Two fields of strings and a number with three buckets."""
    number = Number(field=2, dense=1, knots=(-1.0, 0.0, 1.0, 2.0))
    sizes = (*(FIRST_ID + len(names) for names in values), FIRST_ID + len(EDGES) + 1)
    return spec_of(World(num_ids=sizes, numbers=(number,)))


def write_encoder(path: Path, values: tuple[tuple[str, ...], ...]) -> Path:
    scale = Scale(name="dense1", log=False, mean=0.0, std=1.0, edges=EDGES, range=(-1.0, 2.0), has_missing=False, max_sigma=8.0)
    parts = [Vocabulary(name=f"field{i}", values=names) for i, names in enumerate(values)]
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build_encoder([*parts, scale], None), path)
    return path


def write_champion(
    folder: Path, model: str, spec: EncodedSpec, values: tuple[tuple[str, ...], ...], linear_share: float = 0.0
) -> CtrNetwork:
    """artifacts/inherited below `folder`, as stage inherit leaves it; returns the network whose weights it holds."""
    torch.manual_seed(8)
    network = build_network(model_config(model), spec)
    if linear_share:
        network.add_linear_part(linear_share)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, 0.3)
    place = folder / FOLDER
    save_model(place, network, network.state_dict(), {})
    write_encoder(place / "encoder.onnx", values)
    write_json(place / "features.json", {})
    write_start(place, ORIGIN)
    return network.eval()


def read_champion(folder: Path) -> Inherited:
    found = read_inherited("champion", folder / FOLDER)
    assert found is not None
    return found
