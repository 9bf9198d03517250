"""What is told once to this process's torch, C library and Lightning before a training."""

import ctypes
import logging
import os
import platform
import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from stages.models.config import TrainConfig, TrainerConfig

KEPT_BLOCK_MIB, KEPT_FREE_MIB = 32, 256  # largest block (glibc takes no more) and most memory that is not given back


def check_devices(trainer: "TrainerConfig") -> None:
    """Raise ValueError if there are not as many GPUs as asked for."""
    if trainer.accelerator == "gpu" and torch.cuda.device_count() < trainer.devices:
        raise ValueError(
            f"trainer.accelerator is gpu and trainer.devices {trainer.devices}, but torch {torch.__version__} finds "
            f"{torch.cuda.device_count()} GPUs; take trainer=cpu, or install a driver and a torch built for it"
        )


def prepare_torch(train: "TrainConfig", trainer: "TrainerConfig") -> None:
    torch.set_num_threads(trainer.num_threads)
    os.environ["OMP_NUM_THREADS"] = str(trainer.num_threads)  # or Lightning would share out the cores when it starts processes
    # processes that train together are all on this machine; gloo would look up its name, and listen where others reach it
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    # the trainer turns deterministic algorithms on; filling every new tensor with NaN besides would cost time for nothing
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch makes it at run time
    torch.manual_seed(train.seed)  # for the initial weights; each step seeds itself
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Have this process keep what a step frees for the next one: taking it from the kernel anew costs a tenth of a step.

    Returns whether the C library does so; only glibc can be told.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    m_trim_threshold, m_mmap_threshold = -1, -3  # of malloc.h
    libc = ctypes.CDLL(None)
    return libc.mallopt(m_mmap_threshold, KEPT_BLOCK_MIB << 20) == libc.mallopt(m_trim_threshold, KEPT_FREE_MIB << 20) == 1


def silence_lightning() -> None:
    """Messages that say nothing to the person who trains, one by one."""
    for name in ("pytorch_lightning", "lightning_fabric"):  # devices found, advertisements, why it ended, ranks
        logging.getLogger(name).setLevel(logging.WARNING)
    # our loaders read the arrays themselves and find their place by the step count: workers and loader state are not needed
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*your dataloader is not resumable.*")
    # every rank measures all rows of the split, so there is nothing to average
    warnings.filterwarnings("ignore", ".*sync_dist=True.*")
    # Lightning 2.6.6 asks torch 2.13's pytree in a way torch has deprecated; its own next release must mend that
    warnings.filterwarnings("ignore", ".*isinstance\\(treespec, LeafSpec\\).*")
