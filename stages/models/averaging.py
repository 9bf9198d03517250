"""Averages the network's weights over the last steps: the average is what validation judges and what training hands on.

The steps' weights wander about a good point; their mean lies nearer to it than any of them: Polyak, Juditsky, Acceleration of
stochastic approximation by averaging, SIAM J. Control and Optimization 30 (1992). How far it reaches back grows with the
steps taken, so that one setting suits short and long trainings and the first weights, which know nothing, are forgotten: Karras,
Aittala, Lehtinen, Hellsten, Aila, Laine, Analyzing and improving the training dynamics of diffusion models, CVPR 2024.
"""

from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from stages.models.ctr_module import CtrModule

EVERY_STEPS = 10  # a step is added to the average; each of them would cost a twentieth of the training


class AveragedWeights(Callback):
    """Keeps the average; the network has its own weights in training steps and the average's in validation.

    Must stand behind the callbacks that write the judged weights, and before those that write checkpoints.
    Lightning's WeightAveraging copies the whole module, images included, and takes the average back before `on_validation_end`.
    """

    def __init__(self, average_frac: float) -> None:
        """The average reaches back over about the last `average_frac` of the steps."""
        self.average_frac = average_frac
        self.average: AveragedModel | None = None
        self._restored: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Trainer, module: CtrModule) -> None:
        # not in setup: the network is on its device by now
        self.average = AveragedModel(module.network, multi_avg_fn=self._take_in)
        if self._restored is not None:
            self.average.load_state_dict(self._restored)

    def on_train_batch_end(self, trainer: Trainer, module: CtrModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        is_last_of_epoch = batch_idx + 1 == trainer.num_training_batches  # validation follows, and may be the first
        if trainer.global_step % EVERY_STEPS == 0 or is_last_of_epoch:
            self.average.update_parameters(module.network)

    def on_validation_start(self, trainer: Trainer, module: CtrModule) -> None:
        self._swap(module)

    def on_validation_end(self, trainer: Trainer, module: CtrModule) -> None:
        self._swap(module)

    @torch.no_grad()
    def _take_in(self, average: list[Tensor], current: list[Tensor], num_averaged: Tensor) -> None:
        torch._foreach_lerp_(average, current, newest_share(int(num_averaged) + 1, self.average_frac))

    @torch.no_grad()
    def _swap(self, module: CtrModule) -> None:
        for mean, weight in zip(self.average.module.parameters(), module.network.parameters(), strict=True):
            own = weight.clone()
            weight.copy_(mean)
            mean.copy_(own)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.average is None else dict(self.average.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict or None


def newest_share(number: int, average_frac: float) -> float:
    """How much of the average the `number`th weights taken in become. In the end number i weighs about i ** (1/frac - 1)."""
    return min(1.0, 1.0 / (average_frac * number))
