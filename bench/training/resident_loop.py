"""The plain training loop of the same network on tensors already in memory: what a perfect data path would reach.

`python -m bench.training.resident_loop NUM_STEPS` reads params.yaml and data/encoded/ of the current folder and prints rows a
second.
"""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import json
import sys
from pathlib import Path

import torch

from bench.training.bare_loop import BareLoop
from stages.models.batches import TrainBatches
from stages.models.config import ModelConfig, TrainConfig, TrainerConfig
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.network import build_network
from stages.models.torch_setup import keep_freed_memory
from stages.models.training import channels_last
from stages.settings import load_section


def main() -> None:
    num_steps = int(sys.argv[1])
    train, trainer = load_section("train", TrainConfig), load_section("trainer", TrainerConfig)
    torch.set_num_threads(trainer.num_threads)
    torch.set_float32_matmul_precision(trainer.matmul_precision)
    torch.use_deterministic_algorithms(trainer.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch makes it at run time
    torch.manual_seed(train.seed)
    keep_freed_memory()
    loop = prepare(train, trainer, Path("data/encoded"))
    print(json.dumps({"rows_per_s": loop.rows_per_s(num_steps)}))


def prepare(train: TrainConfig, trainer: TrainerConfig, folder: Path) -> BareLoop:
    """The loop on the first batches of the first epoch, on the device that `trainer` names."""
    spec = load_spec(folder)
    network = build_network(load_section("model", ModelConfig), spec)
    images = channels_last(load_creatives(folder, spec)) if network.creative_encoder is not None else None
    source = TrainBatches(
        load_split(folder, "train", spec),
        num_creatives=spec.num_creatives,
        batch_size=train.batch_size,
        seed=train.seed,
        rank=0,
        num_ranks=1,
        num_steps_done=lambda: 0,
    )
    device = torch.device("cuda" if trainer.accelerator == "gpu" else "cpu")
    return BareLoop(network, source, images, train, device, bf16=trainer.precision == "bf16-mixed")


if __name__ == "__main__":
    main()
