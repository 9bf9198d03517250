"""Trains a model of DeepCTR-Torch on the arrays of a folder; runs in .venv-peers and imports nothing of the project.

`python peer_train.py FOLDER NAME EPOCHS VARIANT` reads spec.json, peer.json, train/*.npy, val/*.npy in FOLDER; prints
rows a second of `model.fit` and the log-loss on val. VARIANT `documented` compiles as the documentation shows;
`same_optimizer` takes the project's optimiser and precision of matrix products and leaves out the regularisation loss, all of
which make it faster.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat, get_feature_names
from deepctr_torch.models import DCN, DeepFM
from sklearn.metrics import log_loss, roc_auc_score


def main() -> None:
    folder, name, epochs, variant = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    spec, settings = (json.loads((folder / file).read_text()) for file in ("spec.json", "peer.json"))
    torch.set_num_threads(settings["num_threads"])
    with contextlib.redirect_stdout(sys.stderr):
        columns = feature_columns(spec, settings["embedding_dim"])
        model = build(name, columns, settings, regularised=variant == "documented")
        optimizer = "adam"
        if variant == "same_optimizer":
            torch.set_float32_matmul_precision(settings["matmul_precision"])
            optimizer = torch.optim.AdamW(
                model.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"], fused=True
            )
        model.compile(optimizer, "binary_crossentropy", metrics=["binary_crossentropy"])
        inputs, label = load(folder / "train", spec)
        started = time.perf_counter()
        # verbose=0: no metric is computed in a step
        model.fit(inputs, label, batch_size=settings["batch_size"], epochs=epochs, verbose=0)
        took_s = time.perf_counter() - started
        val_inputs, val_label = load(folder / "val", spec)
        p_click = model.predict([val_inputs[feature] for feature in get_feature_names(columns)], batch_size=8192)
    facts = {
        "rows_per_s": len(label) * epochs / took_s,
        "val_log_loss": float(log_loss(val_label, p_click)),
        "val_auc": float(roc_auc_score(val_label, p_click)),
    }
    print(json.dumps(facts))


def feature_columns(spec: dict, embedding_dim: int) -> list:
    sparse = [
        SparseFeat(field["name"], vocabulary_size=field["num_ids"], embedding_dim=embedding_dim) for field in spec["categorical"]
    ]
    return [*sparse, *(DenseFeat(f"dense_{name}", 1) for name in spec["dense"])]


def build(name: str, columns: list, settings: dict, regularised: bool) -> torch.nn.Module:
    """DCN with full matrices is DCN-V2 in parallel, plus a linear part; DeepFM is DeepFM."""
    options = {"dnn_hidden_units": tuple(settings["hidden_dims"]), "dnn_dropout": settings["dropout"], "device": "cpu"}
    if not regularised:
        options |= {"l2_reg_linear": 0, "l2_reg_embedding": 0}
    if name == "dcnv2":
        if not regularised:
            options["l2_reg_cross"] = 0
        return DCN(columns, columns, cross_num=settings["num_cross_layers"], cross_parameterization="matrix", **options)
    return DeepFM(columns, columns, **options)


def load(folder: Path, spec: dict) -> tuple[dict[str, np.ndarray], np.ndarray]:
    cat_idx, num_feats = np.load(folder / "cat_idx.npy"), np.load(folder / "num_feats.npy")
    inputs = {field["name"]: cat_idx[:, i] for i, field in enumerate(spec["categorical"])}
    inputs |= {f"dense_{name}": num_feats[:, i] for i, name in enumerate(spec["dense"])}
    return inputs, np.load(folder / "label.npy").astype(np.float32)


if __name__ == "__main__":
    main()
