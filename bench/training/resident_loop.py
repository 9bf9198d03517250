"""The plain training loop of the same network on tensors already in memory: what a perfect data path would reach.

`python -m bench.training.resident_loop NUM_STEPS` reads params.yaml and data/encoded/ of the current folder and prints rows a
second.
"""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from stages.models.batches import TrainBatches
from stages.models.config import ModelConfig, TrainConfig, TrainerConfig
from stages.models.ctr_module import decay_groups, take_images
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.network import CtrNetwork, build_network
from stages.models.torch_setup import keep_freed_memory
from stages.models.training import channels_last
from stages.settings import load_section

NUM_BATCHES = 32  # cut before the clock starts, then used in turn
WARM_UP_STEPS = 5

Inputs = tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor]


def main() -> None:
    num_steps = int(sys.argv[1])
    train, trainer = load_section("train", TrainConfig), load_section("trainer", TrainerConfig)
    torch.set_num_threads(trainer.num_threads)
    torch.set_float32_matmul_precision(trainer.matmul_precision)
    torch.use_deterministic_algorithms(trainer.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch makes it at run time
    torch.manual_seed(train.seed)
    keep_freed_memory()
    device = torch.device("cuda" if trainer.accelerator == "gpu" else "cpu")
    network, batches = prepare(train, Path("data/encoded"), device)
    mixed = partial(torch.autocast, device.type, dtype=torch.bfloat16, enabled=trainer.precision == "bf16-mixed")
    optimizer = torch.optim.AdamW(decay_groups(network, train), lr=train.lr, fused=True)
    for inputs in islice(cycle(batches), WARM_UP_STEPS):
        step(network, optimizer, inputs, mixed)
    num_rows = 0
    finish(device)
    started = time.perf_counter()
    for inputs in islice(cycle(batches), num_steps):
        step(network, optimizer, inputs, mixed)
        num_rows += len(inputs[-1])
    finish(device)
    print(json.dumps({"rows_per_s": num_rows / (time.perf_counter() - started)}))


def prepare(train: TrainConfig, folder: Path, device: torch.device) -> tuple[CtrNetwork, list[Inputs]]:
    """The network in training mode, and the first full batches of the first epoch as it takes them, all on `device`."""
    spec = load_spec(folder)
    network = build_network(load_section("model", ModelConfig), spec).train()
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
    whole = len(source.split) // train.batch_size
    batches = []
    for batch in islice(source, min(NUM_BATCHES, whole)):
        pixels = None if images is None else take_images(images, batch.distinct_U)
        place = None if images is None else batch.creative_pos_B
        inputs = (batch.cat_idx_BF, batch.num_feats_BM, pixels, place, batch.label_B.float())
        batches.append(tuple(None if tensor is None else tensor.to(device) for tensor in inputs))
    return network.to(device), batches


def finish(device: torch.device) -> None:
    """Wait for what is queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step(network: CtrNetwork, optimizer: torch.optim.Optimizer, inputs: Inputs, mixed: Callable[[], torch.autocast]) -> None:
    """Forward, backward, step; nothing else."""
    cat_idx_BF, num_feats_BM, pixels, place, label_B = inputs
    with mixed():
        emb_UE = None if pixels is None else network.creative_encoder(pixels)
        logit_B = network(cat_idx_BF, num_feats_BM, emb_UE, place)
        loss = functional.binary_cross_entropy_with_logits(logit_B.float(), label_B)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    main()
