"""Forward, backward and step of a network on batches that are ready on its device, and nothing else: what a perfect data path
would reach.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from stages.models.batches import TrainBatches
from stages.models.ctr_module import decay_groups, take_images
from stages.models.network import CtrNetwork

if TYPE_CHECKING:
    from stages.models.config import TrainConfig

NUM_BATCHES = 32  # cut before the clock starts, then used in turn
WARM_UP_STEPS = 5

Inputs = tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor]


class BareLoop:
    """A network in training mode with its optimiser and the first full batches of `source`, all on `device`."""

    def __init__(
        self,
        network: CtrNetwork,
        source: TrainBatches,
        image_NCSS: Tensor | None,
        train: "TrainConfig",
        device: torch.device,
        *,
        bf16: bool,
    ) -> None:
        """`image_NCSS` are all creatives, channels last; None for a network that does not look at them."""
        self.network, self.device = network.train().to(device), device
        self.optimizer = torch.optim.AdamW(decay_groups(self.network, train), lr=train.lr, fused=True)
        self.mixed: Callable[[], torch.autocast] = partial(torch.autocast, device.type, dtype=torch.bfloat16, enabled=bf16)
        self.batches: list[Inputs] = []
        for batch in islice(source, min(NUM_BATCHES, len(source.split) // source.batch_size)):
            pixels = None if image_NCSS is None else take_images(image_NCSS, batch.distinct_U)
            place = None if image_NCSS is None else batch.creative_pos_B
            inputs = (batch.cat_idx_BF, batch.num_feats_BM, pixels, place, batch.label_B.float())
            self.batches.append(tuple(None if tensor is None else tensor.to(device) for tensor in inputs))

    def rows_per_s(self, num_steps: int) -> float:
        """Rows a second of `num_steps` steps, after some that do not count."""
        for inputs in islice(cycle(self.batches), WARM_UP_STEPS):
            self.step(inputs)
        num_rows = 0
        self.finish()
        started = time.perf_counter()
        for inputs in islice(cycle(self.batches), num_steps):
            self.step(inputs)
            num_rows += len(inputs[-1])
        self.finish()
        return num_rows / (time.perf_counter() - started)

    def step(self, inputs: Inputs) -> None:
        cat_idx_BF, num_feats_BM, pixels, place, label_B = inputs
        with self.mixed():
            emb_UE = None if pixels is None else self.network.creative_encoder(pixels)
            logit_B = self.network(cat_idx_BF, num_feats_BM, emb_UE, place)
            loss = functional.binary_cross_entropy_with_logits(logit_B.float(), label_B)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def finish(self) -> None:
        """Wait for what is queued."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
