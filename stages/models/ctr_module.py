"""The Lightning module: how a network learns from a batch, and what is measured on the validation split.

All randomness of a step follows from (seed, step, rank), so a resumed run needs no random state and dropout repeats.
Shape letters: B batch, N rows, U distinct creatives, C channels, S pixels a side, E embedding.
"""

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional

from stages.models.batches import Batch
from stages.models.epoch_rows import EpochRows
from stages.models.id_hiding import hide_ids
from stages.models.layers import FieldEmbedding, FieldWeight
from stages.models.network import CtrNetwork
from stages.models.val_metrics import auc, log_loss

if TYPE_CHECKING:
    from stages.models.config import TrainConfig


class CtrModule(LightningModule):
    def __init__(
        self,
        network: CtrNetwork,
        config: "TrainConfig",
        image_NCSS: Tensor | None,
        num_steps: int,
        hiding_V: Tensor,
        rows: EpochRows | None = None,
        mean_weight: float = 1.0,
    ) -> None:
        """`image_NCSS` are all creatives, uint8, row 0 no image; `num_steps` is what the schedule spans; `hiding_V` says
        how often each id is shown as unknown; `rows` are those of an epoch, all of the split if left out; `mean_weight`
        is what a training row weighs in the mean.
        """
        super().__init__()
        self.hiding_V = hiding_V
        self.offset_F = network.field_offsets()
        self.network, self.config, self.num_steps = network, config, num_steps
        self.mean_weight = mean_weight
        self.rows = None if rows is None or rows.kept_share == 1 else rows
        self.image_NCSS = image_NCSS if network.creative_encoder is not None else None
        self.val_metrics: dict[str, float] = {}
        self._val_logits: list[Tensor] = []
        self._val_labels: list[Tensor] = []
        self._val_weights: list[Tensor] = []
        self._val_emb_NE: Tensor | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":  # Lightning 2.6 sets it 48 times a step; what nn.Module looks at takes 0.1 ms
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def on_fit_start(self) -> None:
        self.hiding_V, self.offset_F = self.hiding_V.to(self.device), self.offset_F.to(self.device)
        if self.image_NCSS is not None:
            self.image_NCSS = self.image_NCSS.to(self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        seed_device(self.device, step_seed(self.config.seed, self.global_step, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | dict[str, Tensor]:
        """The loss; where rows without a click are drawn, beside it what it is among all rows: "shown", for the curves."""
        cat_idx_BF = hide_ids(batch.cat_idx_BF, self.hiding_V, self.offset_F)
        emb_UE = creative_pos_B = None
        if self.image_NCSS is not None:
            emb_UE = self.network.creative_encoder(take_images(self.image_NCSS, batch.distinct_U))
            creative_pos_B = hide_images(batch.creative_pos_B, self.config.no_image_frac)
        logit_B = self.network(cat_idx_BF, batch.num_feats_BM, emb_UE, creative_pos_B)
        logit_B, label_B = logit_B.float(), batch.label_B.float()
        weight_B = None if batch.weight_B is None else (batch.weight_B / self.mean_weight).float()
        if self.rows is None:
            return functional.binary_cross_entropy_with_logits(logit_B, label_B, weight=weight_B)
        loss = functional.binary_cross_entropy_with_logits(logit_B - self.rows.logit_shift, label_B, weight=weight_B)
        return {"loss": loss, "shown": loss_among_all(logit_B.detach(), label_B, self.rows, weight_B)}

    def on_validation_epoch_start(self) -> None:
        self._val_logits, self._val_labels, self._val_weights = [], [], []
        self._val_emb_NE = None if self.image_NCSS is None else self.network.encode_creatives(self.image_NCSS)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # what is judged is the network as it is exported
            logit_B = self.network(batch.cat_idx_BF, batch.num_feats_BM, self._val_emb_NE, batch.creative_pos_B)
        self._val_logits.append(logit_B)
        self._val_labels.append(batch.label_B)
        if batch.weight_B is not None:
            self._val_weights.append(batch.weight_B)

    def on_validation_epoch_end(self) -> None:
        logit_N, label_N = self._gathered(self._val_logits), self._gathered(self._val_labels)
        weight_N = self._gathered(self._val_weights) if self._val_weights else None
        self._val_logits, self._val_labels, self._val_weights, self._val_emb_NE = [], [], [], None
        self.val_metrics = {
            "val/log_loss": log_loss(logit_N, label_N, weight_N),
            "val/auc": auc(logit_N, label_N, weight_N),
        }
        if not math.isfinite(self.val_metrics["val/log_loss"]):
            raise ValueError(diverged("val/log_loss", self.val_metrics["val/log_loss"], self.global_step))
        self.log_dict(self.val_metrics, prog_bar=True, logger=False)  # the curves are logged by their own callback

    def _gathered(self, parts: list[Tensor]) -> np.ndarray:
        """All ranks' values of the split, in row order."""
        local_N = torch.cat(parts)
        if self.trainer.world_size == 1:
            return local_N.cpu().numpy()
        parts_N: list[np.ndarray | None] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts_N, local_N.cpu().numpy())
        return np.concatenate(parts_N)

    def configure_optimizers(self) -> dict:
        optimizer = torch.optim.AdamW(decay_groups(self.network, self.config), lr=self.config.lr, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_share(step, self.num_steps, self.config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None) -> None:
        # Lightning 2.6 refuses to clip for a fused optimizer under bf16-mixed, although there is no loss scale to undo
        if self.config.clip_norm == 0:
            return
        groups = optimizer.param_groups  # quicker to go through than the network
        parameters = [parameter for group in groups for parameter in group["params"] if parameter.grad is not None]
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters], foreach=True)
        if norm.device.type == "cpu" and norm <= self.config.clip_norm:
            return  # to multiply by 1 costs as much as the norm; on a GPU asking would cost more
        nn.utils.clip_grads_with_norm_(parameters, self.config.clip_norm, norm, foreach=True)


def loss_among_all(logit_B: Tensor, label_B: Tensor, rows: EpochRows, own_B: Tensor | None = None) -> Tensor:
    """An unbiased estimate of the loss of all rows from some of an epoch: one without a click stands for 1 / kept_share rows;
    `own_B` is what each weighs by itself.
    """
    weight_B = torch.where(label_B > 0, 1.0, 1.0 / rows.kept_share) * (len(rows) / rows.num_all)
    weight_B = weight_B if own_B is None else weight_B * own_B
    return functional.binary_cross_entropy_with_logits(logit_B, label_B, weight=weight_B)


def step_seed(seed: int, step: int, rank: int) -> int:
    """A seed of 63 bits for one step of one rank, unlike that of any other."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}/{rank}".encode(), digest_size=8).digest(), "little") >> 1


def seed_device(device: torch.device, seed: int) -> None:
    """Seed the generators that a step on `device` draws from; torch.manual_seed takes a millisecond, this microseconds."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index].manual_seed(seed)


def take_images(image_NCSS: Tensor, distinct_U: Tensor) -> Tensor:
    """The images of `distinct_U`, channels last as `image_NCSS` is; whole rows are copied, ten times as fast as by index."""
    image_NSSC = image_NCSS.permute(0, 2, 3, 1)
    rows_UP = image_NSSC.flatten(1).index_select(0, distinct_U)
    return rows_UP.view(-1, *image_NSSC.shape[1:]).permute(0, 3, 1, 2)


def hide_images(creative_pos_B: Tensor, frac: float) -> Tensor:
    """`creative_pos_B` with a random share `frac` of the rows pointed at position 0, which holds no image."""
    if frac == 0:
        return creative_pos_B
    return creative_pos_B.masked_fill(torch.rand(creative_pos_B.shape, device=creative_pos_B.device) < frac, 0)


def decay_groups(network: CtrNetwork, config: "TrainConfig") -> list[dict]:
    """The optimiser's parameter groups: embedding tables, other matrices, and what is never decayed."""
    tables = [module for module in network.modules() if isinstance(module, FieldEmbedding | FieldWeight)]
    in_tables = {id(parameter) for table in tables for parameter in table.parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault(config.embedding_weight_decay if id(parameter) in in_tables else decay, []).append(parameter)
    return [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]


def lr_share(step: int, num_steps: int, config: "TrainConfig") -> float:
    """The learning rate of step `step` (from 0) of `num_steps`, as a share of its peak."""
    num_warmup = round(config.warmup_frac * num_steps)
    if step < num_warmup:
        return (step + 1) / (num_warmup + 1)
    if config.schedule == "constant":
        return 1.0
    progress = min((step - num_warmup) / max(num_steps - num_warmup, 1), 1.0)
    return config.final_lr_frac + (1 - config.final_lr_frac) * 0.5 * (1 + math.cos(math.pi * progress))


def diverged(name: str, value: float, step: int) -> str:
    """What to tell the user when a loss is no number any more."""
    return f"{name} must be a finite number, got {value} by step {step}; lower train.lr or train.clip_norm and run again"
