"""A small exported model with random weights: raw files, arrays, `artifacts/export/` and `artifacts/repository/` in a
folder of its own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from stages import export
from stages.models.config import ModelConfig
from stages.models.encoded_arrays import load_spec
from stages.models.model_folder import save_model
from stages.models.network import CtrNetwork, build_network
from tests.stages.pipeline_world import CONF, declaration, run, write_month, write_params

MODEL = (
    "model=dcnv2",
    "model.embedding_dim=4",
    "model.hidden_dims=[16,8]",
    "model.cross_rank=4",
    "model.creative_dim=4",
    "model.creative_channels=[4,4]",
    "export.batch_sizes=[1,64]",
    "export.fused_rows=20",
)


def export_small_model(
    folder: Path,
    data: dict[str, Any] | None = None,
    write: Callable[[Path, int, int], Any] = write_month,
    link_code: bool = True,
    overrides: tuple[str, ...] = (),
) -> None:
    """Run the stages in `folder` (the working directory) up to export, with an untrained network in the middle.

    `data` is another declaration than the usual one; `write` then writes its months below a folder. `link_code` is for a folder
    that has no code. `overrides` are of the configuration.
    """
    # the manifest says which code ran, the repository takes some along
    for code in ("contracts", "serving", "stages") if link_code else ():
        (folder / code).symlink_to(CONF.parent / code)
    for month in (1, 2):
        write(folder / "source", month, 300)
    params = write_params(data or declaration(), (*MODEL, *overrides))
    run("acquire", "validate", "split", "fit", "encode")
    config = TypeAdapter(ModelConfig).validate_python(params["model"])
    network = random_network(config)
    save_model(Path("artifacts/model"), network, network.state_dict(), {})
    export.main()


def random_network(config: ModelConfig) -> CtrNetwork:
    """Weights large enough for the probabilities to spread and for the pixels to matter."""
    torch.manual_seed(5)
    network = build_network(config, load_spec(Path("data/encoded")))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.normal_(0, 0.5 if "embedding" in name else 0.25)
    return network.eval()
