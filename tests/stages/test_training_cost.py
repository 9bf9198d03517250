"""What stage `train` says that a training took, beside its outputs."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

from stages import train
from stages.models.epoch_rows import EpochRows


def test_what_the_training_took_says_of_which_weights_it_is(project, monkeypatch):
    def save(folder: Path, *_: object) -> None:
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(train, "save_model", save)
    network = SimpleNamespace(parameters=lambda: [], state_dict=dict)
    best = SimpleNamespace(epoch=1)
    fitted = SimpleNamespace(
        network=network, best=best, num_steps=4, batch_size=8, rows_per_s=5.4, train_s=7.001, num_rows=32
    )  # fmt: skip
    train.write_outputs(fitted, train.Mixed(share=0.0, log_loss=0.5, auc=0.7), EpochRows(num_all=32, seed=0), None, None)
    timing = json.loads(Path("reports/train_timing.json").read_text())
    assert timing["weights"] == hashlib.sha256(b"weights").hexdigest()
    assert (timing["train_rows_per_s"], timing["train_s"], timing["rows"]) == (5, 7.0, 32)
    assert 50 < timing["peak_memory_mib"] < 50_000  # MiB: of this process, which has loaded torch
