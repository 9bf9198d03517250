"""Rows a second of the ranker alone, in torch and in ONNX Runtime, on the GPU where its CUDA provider is there."""

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.gpu.shipped import shipped
from contracts.local_libraries import onnx_runtime
from stages.models.network import CtrNetwork, build_network
from stages.models.training import EncodedData

OPSET = 17
NAMES = ("cat_idx", "num_feats", "creative_emb")
WARM_UP_CALLS = 3
EXPORT_ROWS = 3  # any number above one


class RankerProbability(nn.Module):
    """The ranker's logit as a probability."""

    def __init__(self, network: CtrNetwork) -> None:
        super().__init__()
        self.ranker = network.ranker

    def forward(self, cat_idx_BF: Tensor, num_feats_BM: Tensor, creative_emb_BE: Tensor) -> Tensor:
        return torch.sigmoid(self.ranker(cat_idx_BF, num_feats_BM, creative_emb_BE))


def ranker_rates(data: EncodedData, device: torch.device, batch_sizes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Rows a second by batch size, the inputs in the memory of this machine and the answers back there; the provider that ONNX
    Runtime took; and the largest difference between the two in a probability. The weights are fresh.
    """
    torch.manual_seed(0)
    module = RankerProbability(build_network(shipped("model", "dcnv2"), data.spec)).eval()
    creative_dim = shipped("model", "dcnv2").creative_dim
    with tempfile.TemporaryDirectory(prefix="adclick-gpu-check-") as folder:
        path = Path(folder) / "ranker.onnx"
        export(module, [torch.from_numpy(array) for array in inputs(data, EXPORT_ROWS, creative_dim)], path)
        session = open_anywhere(path)
    module = module.to(device)
    rates: dict[str, Any] = {"provider": session.get_providers()[0], "largest_difference": 0.0}
    for num_rows in batch_sizes:
        arrays = inputs(data, num_rows, creative_dim)
        named = dict(zip(NAMES, arrays, strict=True))
        in_torch, in_ort = lambda a=arrays: in_module(module, a, device), lambda n=named: session.run(None, n)[0]
        differs = float(np.abs(in_torch() - in_ort()).max())
        rates["largest_difference"] = max(rates["largest_difference"], differs)
        rates[f"torch_rows_per_s_{num_rows}"] = round(num_rows * calls_per_s(in_torch, seconds))
        rates[f"onnxruntime_rows_per_s_{num_rows}"] = round(num_rows * calls_per_s(in_ort, seconds))
    return rates


def inputs(data: EncodedData, num_rows: int, creative_dim: int) -> list[np.ndarray]:
    """Rows of the training split, again from its start where it has too few; creatives' vectors are random."""
    row_B = np.arange(num_rows) % len(data.train)
    vectors_BE = np.random.default_rng(0).standard_normal((num_rows, creative_dim), dtype=np.float32)
    return [data.train.cat_idx_NF[row_B].astype(np.int64), data.train.num_feats_NM[row_B], vectors_BE]


def export(module: nn.Module, example: list[Tensor], path: Path) -> None:
    """`module` as a graph, by torch's older exporter: unlike the one of stage `export` it needs no other package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=DeprecationWarning)
        warnings.simplefilter("ignore", category=UserWarning)
        warnings.simplefilter("ignore", category=torch.jit.TracerWarning)  # of how many parts there are, which is meant
        torch.onnx.export(
            module,
            tuple(example),
            str(path),
            input_names=list(NAMES),
            output_names=["p_click"],
            dynamic_axes={name: {0: "batch"} for name in (*NAMES, "p_click")},
            opset_version=OPSET,
            dynamo=False,
        )


def open_anywhere(path: Path) -> Any:
    """The graph on the first provider of the two that this ONNX Runtime has."""
    ort = onnx_runtime()
    there = ort.get_available_providers()
    wanted = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
    return ort.InferenceSession(str(path), providers=wanted)


def in_module(module: nn.Module, arrays: list[np.ndarray], device: torch.device) -> np.ndarray:
    with torch.inference_mode():
        return module(*(torch.from_numpy(array).to(device) for array in arrays)).cpu().numpy()


def calls_per_s(call: Callable[[], np.ndarray], seconds: float) -> float:
    for _ in range(WARM_UP_CALLS):
        call()
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        call()
        calls += 1
    return calls / (time.perf_counter() - started)
