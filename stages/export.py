"""Stage export: reads `artifacts/model/`, `artifacts/encoder.onnx` and the test split; writes `artifacts/export/` with
`encoder.onnx`, `ranker.onnx`, `creative_encoder.onnx`, the fused `ctr.onnx`, what they mean, and a manifest of sha-256;
and `artifacts/repository/`, the same graphs as Triton model repositories.

Fails when ONNX Runtime and torch differ by more than `export.max_difference` on a test row.
"""

if __name__ == "__main__":  # before torch is imported, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from stages.before_torch import set_up_libraries

    set_up_libraries()

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import torch
from torch import nn

from contracts.dataset.declaration import Declaration
from contracts.dataset.partitions import SHARED
from contracts.serving.config import ServingConfig
from contracts.serving.request import RequestSpec, request_of
from stages.config import Calibrate, ExportConfig
from stages.entry import run_stage
from stages.exporting.calibrating import calibration_of
from stages.exporting.container import write_container
from stages.exporting.graphs import creative_encoder_graph, fused_graph, ranker_graph
from stages.exporting.manifest import CODE, manifest
from stages.exporting.packed import packed_graph
from stages.exporting.parity import check_parity, torch_logits
from stages.exporting.repository import PROFILE, write_repository
from stages.files import atomic_folder, digests_below, write_json
from stages.models.encoded_arrays import EncodedSpec, load_creatives, load_spec, load_split
from stages.models.model_folder import load_model
from stages.models.network import CtrNetwork
from stages.settings import load_params, load_section
from stages.warm_start.inherited import DESCRIBED, WEIGHTS

MODEL_DIR = Path("artifacts/model")
ENCODED_DIR = Path("data/encoded")
RAW_DIR = Path("data/raw")
ENCODER_PATH = Path("artifacts/encoder.onnx")
FEATURES_PATH = Path("artifacts/features.json")
PROFILE_PATH = Path("artifacts/reference_profile.json")
SPLIT_DIR = Path("data/split")
EXPORT_DIR = Path("artifacts/export")
REPOSITORY_DIR = Path("artifacts/repository")
PARITY_PATH = Path("reports/parity.json")


def main() -> None:
    config = load_section("export", ExportConfig)
    params = load_params()
    declaration = load_section("data", Declaration)
    request = request_of(declaration)
    serving = load_section("serving", ServingConfig)
    network = load_model(MODEL_DIR)
    spec = load_spec(ENCODED_DIR)
    images = load_creatives(ENCODED_DIR, spec)
    table_CE = creative_table(network, images)
    network.calibration = calibration(network, table_CE, spec, config.calibrate)
    with atomic_folder(EXPORT_DIR) as fresh:
        write_graphs(network, table_CE, request, fresh)
        shutil.copyfile(FEATURES_PATH, fresh / "features.json")
        shutil.copyfile(PROFILE_PATH, fresh / PROFILE)
        for name in (DESCRIBED, WEIGHTS):  # from which a later training may start
            shutil.copyfile(MODEL_DIR / name, fresh / name)
        write_json(fresh / "declaration.json", params["data"])
        test = load_split(ENCODED_DIR, "test", spec)
        found = check_parity(
            fresh,
            network,
            test,
            pl.read_parquet(SPLIT_DIR / "test.parquet"),
            request,
            table_CE,
            images,
            config.batch_sizes,
            config.fused_rows,
        )
        refuse_difference(found, config.max_difference)
        write_json(PARITY_PATH, {"max_abs_difference": found, "rows": len(test)})
        write_json(fresh / "manifest.json", manifest(fresh, params, SPLIT_DIR, digests_below(RAW_DIR / SHARED), CODE))
    with atomic_folder(REPOSITORY_DIR) as fresh:
        sample = pl.read_parquet(SPLIT_DIR / "train.parquet", n_rows=1)
        write_repository(fresh / "embedded", EXPORT_DIR, declaration, serving.repository, sample)
        write_container(fresh / "container", EXPORT_DIR, declaration, serving.repository, sample)
    worst = max(found.values())
    graphs = ", ".join(sorted(path.name for path in EXPORT_DIR.glob("*.onnx")))
    print(f"export: {graphs}; max |dp| {worst:.1e} against torch on {len(test)} test rows")


def creative_table(network: CtrNetwork, images: np.ndarray | None) -> np.ndarray | None:
    """Embeddings float32 [C+1, E] of the known creatives, row 0 of no image; None if the model looks at no images."""
    if images is None or network.creative_encoder is None:
        return None
    return network.encode_creatives(torch.from_numpy(np.array(images))).numpy()


def calibration(network: CtrNetwork, table_CE: np.ndarray | None, spec: EncodedSpec, kind: Calibrate) -> nn.Module | None:
    """The last step to the probability, fitted on the validation split; None if there is to be none."""
    if kind == "none":
        return None
    val = load_split(ENCODED_DIR, "val", spec)
    logit_N = torch.cat(torch_logits(network, val, table_CE)).numpy()
    return calibration_of(kind, logit_N, np.array(val.label_N), val.weight_N)


def write_graphs(network: CtrNetwork, table_CE: np.ndarray | None, request: RequestSpec, folder: Path) -> None:
    encoder, ranker = onnx.load(ENCODER_PATH), ranker_graph(network, table_CE)
    graphs = {
        "encoder": encoder,
        "ranker": ranker,
        "ctr": fused_graph(encoder, ranker),
        "ctr_packed": packed_graph(encoder, ranker, request),
    }
    if table_CE is not None:
        graphs["creative_encoder"] = creative_encoder_graph(network)
    for name, graph in graphs.items():
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString(deterministic=True))


def refuse_difference(found: dict[str, Any], allowed: float) -> None:
    """Raise ValueError if a graph strays from torch, by NaN too."""
    where, worst = max(found.items(), key=lambda item: np.nan_to_num(item[1], nan=np.inf))
    if not worst <= allowed:
        raise ValueError(
            f"{where} differs from torch by {worst:.2e} in a probability, "
            f"allowed is {allowed:.0e} (export.max_difference); nothing was exported"
        )


if __name__ == "__main__":
    run_stage(main)
