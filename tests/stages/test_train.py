"""The stage `train` from end to end on a tiny data set: same bytes every time, killed or not; failures in one sentence."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from stages import train
from stages.models import checkpoint_io
from stages.models.ctr_module import CtrModule
from stages.models.model_folder import load_model
from stages.models.resume import newest_checkpoint, remove_stale_runs, run_key
from stages.models.val_metrics import log_loss
from tests.models.encoded_world import (
    NETWORK_NAMES,
    World,
    model_config,
    train_values,
    trainer_values,
    write_encoded,
    write_params,
)

ROOT = Path(__file__).parents[2]
DEADLINE_S = 300  # for a machine that is busy with other things
MOMENTS = {  # when to kill, and the step that the next run goes on at; 10 steps an epoch, checkpoints every 4
    "step:2": None,
    "step:7": 4,
    "step:10": 8,
    "told to end:7": 4,
    "validation:2": 8,
    "validation:6": 16,
    "tensors written:1": None,
    "tensors written:3": 8,
    "checkpoint renamed:3": 10,
    "best written:1": 8,
    "best written:2": 16,
    "trained": 20,
    "model written": 20,
    "outputs written": 20,
}
OUTPUTS = {
    "artifacts/model/model.json",
    "artifacts/model/weights.safetensors",
    "reports/train/metrics.json",
    "reports/train/plots/metrics/train/loss.tsv",
    "reports/train/plots/metrics/val/auc.tsv",
    "reports/train/plots/metrics/val/log_loss.tsv",
}


def prepare(folder: Path, model: str = "deepfm", world: World | None = None, trainer: dict | None = None, **changes: Any) -> Path:
    """A folder to train in: encoded arrays and params.yaml, with `changes` of section `train`."""
    write_encoded(folder / "data/encoded", world or World())
    sections = (asdict(model_config(model)), train_values(**changes), trainer_values(**(trainer or {})))
    write_params(folder / "params.yaml", *sections)
    return folder


def run_stage(*runs: tuple[Path, str]) -> list[tuple[int, str]]:
    """Exit code and output of each run of the stage: in which folder, killed at which moment (`never`: not killed)."""
    arguments = [f"{folder}={moment}" for folder, moment in runs]
    done = run_module("tests.stages.killed_training", *arguments, folder=ROOT)
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^exit (-?\d+)\n", done.stdout, flags=re.MULTILINE)
    return [(int(code), said) for said, code in zip(parts[::2], parts[1::2], strict=False)]


def run_module(name: str, *arguments: str, folder: Path, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """The finished `python -m name`; past the deadline all processes that it started are killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"python -m {name} took more than {DEADLINE_S} s:\n{out}\n{err}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def outputs(folder: Path) -> dict[str, bytes]:
    """Bytes of all that the stage wrote, but for the timing."""
    paths = [path for top in ("artifacts", "reports") for path in (folder / top).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.name != "train_timing.json"}


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


EARLY = {"max_epochs": 12, "lr": 0.3, "average_frac": 0, "patience_epochs": 1, "schedule": "constant"}


@pytest.fixture(scope="module")
def killed_runs(tmp_path_factory) -> dict[str, tuple[str, Path]]:
    """What the last run said and its folder, by the name of what was done; all in one process, since imports take long."""
    root = tmp_path_factory.mktemp("killed")
    plans = {"whole": ("never",), "stopped early": ("never",), "stopped early and killed": ("trained", "never")}
    plans |= {moment: (moment, "never") for moment in MOMENTS}
    plans |= {"reports removed": ("step:14", "reports removed", "never")}
    runs = []
    for number, (name, moments) in enumerate(plans.items()):
        folder = prepare(root / str(number), **(EARLY if name.startswith("stopped early") else {}))
        runs += [(name, folder, moment) for moment in moments]
    results = run_stage(*((folder, moment) for _, folder, moment in runs))
    for (name, _, moment), (code, said) in zip(runs, results, strict=True):
        assert code == {"never": 0, "reports removed": 0, "told to end:7": 143}.get(moment, -9), (name, moment, said)
    return {name: (said, folder) for (name, folder, _), (_, said) in zip(runs, results, strict=True)}


def test_a_whole_run_leaves_its_outputs_and_nothing_else(killed_runs):
    said, folder = killed_runs["whole"]
    assert set(outputs(folder)) == OUTPUTS and not list((folder / ".checkpoints/train").iterdir())
    assert "Warning" not in said and "resuming" not in said and "epoch 2 of" in (folder / ".checkpoints/train.log").read_text()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_goes_on_and_ends_with_the_same_bytes(killed_runs, moment):
    said, folder = killed_runs[moment]
    goes_on_at = MOMENTS[moment]
    expected = [] if goes_on_at is None else [str(goes_on_at)]
    assert re.findall(r"train: resuming at step (\d+) of at most 20\n", said) == expected
    assert outputs(folder) == outputs(killed_runs["whole"][1])


def test_curves_come_back_whole_when_reports_are_removed_before_a_run_goes_on(killed_runs):
    said, folder = killed_runs["reports removed"]
    assert "resuming at step 12" in said
    assert outputs(folder) == outputs(killed_runs["whole"][1])


def test_a_run_that_stopped_early_and_was_killed_then_does_not_train_on(killed_runs):
    whole, killed = killed_runs["stopped early"][1], killed_runs["stopped early and killed"][1]
    metrics = json.loads((whole / "reports/train/metrics.json").read_text())
    assert metrics["num_steps"] == 10 * (metrics["best_epoch"] + 1) < 120
    assert outputs(killed) == outputs(whole)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_each_network_trains_and_beats_the_constant(in_folder, name, capsys):
    prepare(in_folder, name, max_epochs=6, lr=0.02)
    train.main()
    said = capsys.readouterr().out
    metrics = json.loads((in_folder / "reports/train/metrics.json").read_text())
    rate = np.load(in_folder / "data/encoded/train/label.npy").mean()
    label = np.load(in_folder / "data/encoded/val/label.npy")
    constant = -np.mean(np.where(label == 1, np.log(rate), np.log(1 - rate)))
    assert metrics["val/log_loss"] < constant - 0.02 and metrics["val/auc"] > 0.65
    assert re.match(rf"train: {name}( and a linear part of 0\.\d)? on 600 rows, ", said) and said.count("\n") == 1


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_training_on_a_gpu_learns_what_training_on_a_cpu_does(tmp_path, name):
    on_gpu = yaml.safe_load((ROOT / "conf/trainer/gpu.yaml").read_text())
    losses = []
    for place, trainer in (("cpu", {}), ("gpu", on_gpu)):
        prepare(tmp_path / place, name, trainer=trainer)
        done = run_module("stages.train", folder=tmp_path / place)
        assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
        losses.append(json.loads((tmp_path / place / "reports/train/metrics.json").read_text())["val/log_loss"])
    assert losses[1] == pytest.approx(losses[0], abs=0.02)  # other rounding, other ids hidden


@pytest.mark.parametrize(("name", "precision"), [("deepfm", "32-true"), ("dcnv2", "bf16-mixed"), ("finalmlp", "bf16-mixed")])
def test_reported_metrics_are_those_of_the_written_weights(in_folder, name, precision):
    prepare(in_folder, name, trainer={"precision": precision}, max_epochs=3)
    train.main()
    network = load_model(in_folder / "artifacts/model")
    data = train.load_encoded(in_folder / "data/encoded")
    emb = network.encode_creatives(torch.from_numpy(np.array(data.image_NCSS)))
    arrays = (data.val.cat_idx_NF, data.val.num_feats_NM, data.val.creative_idx_N)
    cat_idx, dense, creative_idx = (torch.from_numpy(np.array(array)) for array in arrays)
    with torch.no_grad():
        logit = network(cat_idx, dense, emb, creative_idx.long()).numpy()
    metrics = json.loads((in_folder / "reports/train/metrics.json").read_text())
    assert log_loss(logit, data.val.label_N) == pytest.approx(metrics["val/log_loss"], abs=1e-6)


@pytest.fixture
def seen_precisions(monkeypatch):
    """Names of the steps that ran and the precision of matrix products in them; the process is left as it was."""
    seen: set[tuple[str, str]] = set()
    for name in ("training_step", "backward", "validation_step"):
        step = getattr(CtrModule, name)

        def watched(*args: Any, name: str = name, step: Any = step) -> Any:
            seen.add((name, torch.get_float32_matmul_precision()))
            return step(*args)

        monkeypatch.setattr(CtrModule, name, watched)
    before = torch.get_float32_matmul_precision()
    yield seen
    torch.set_float32_matmul_precision(before)


def test_matrix_products_are_exact_but_in_training_steps(in_folder, seen_precisions):
    prepare(in_folder, trainer={"matmul_precision": "medium"})
    torch.set_float32_matmul_precision("high")
    train.main()
    assert seen_precisions == {("training_step", "medium"), ("backward", "medium"), ("validation_step", "highest")}
    assert torch.get_float32_matmul_precision() == "high"


def test_matrix_products_are_as_before_after_a_failed_training(in_folder, seen_precisions):
    prepare(in_folder)
    np.save(in_folder / "data/encoded/train/num_feats.npy", np.full((600, 2), 1e30, dtype=np.float32))
    torch.set_float32_matmul_precision("high")
    with pytest.raises(ValueError, match="must be a finite number"):
        train.main()
    assert torch.get_float32_matmul_precision() == "high"


def test_creatives_that_the_network_does_not_see_are_left_out_of_its_batches(in_folder, monkeypatch):
    prepare(in_folder, max_epochs=1)
    values = asdict(model_config(creative_dim=0))
    write_params(in_folder / "params.yaml", values, train_values(max_epochs=1), trainer_values())
    seen, step = [], CtrModule.training_step
    monkeypatch.setattr(CtrModule, "training_step", lambda self, batch, i: seen.append(batch) or step(self, batch, i))
    train.main()
    assert len(seen) == 10 and all(batch.distinct_U is None and batch.creative_pos_B is None for batch in seen)
    assert load_model(in_folder / "artifacts/model").creative_encoder is None


def test_curves_have_one_point_every_few_steps_and_one_an_epoch(in_folder):
    prepare(in_folder)
    train.main()
    curves = in_folder / "reports/train/plots/metrics"
    steps = {
        path.stem: [int(line.split("\t")[0]) for line in path.read_text().splitlines()[1:]] for path in curves.rglob("*.tsv")
    }
    assert steps == {"loss": [3, 6, 9, 10, 12, 15, 18, 20], "log_loss": [10, 20], "auc": [10, 20]}


def test_seed_zero_gives_the_same_weights_twice_and_others_than_seed_one(tmp_path, monkeypatch):
    weights = {}
    for name, seed in (("one", 0), ("other", 0), ("seed 1", 1)):
        prepare(tmp_path / name, seed=seed, max_epochs=1)
        monkeypatch.chdir(tmp_path / name)
        train.main()
        weights[name] = Path("artifacts/model/weights.safetensors").read_bytes()
    assert weights["one"] == weights["other"] != weights["seed 1"]


@pytest.mark.parametrize("world", [World(num_dense=0), World(num_creatives=0), World(num_dense=0, num_creatives=0)])
def test_a_data_set_without_dense_columns_or_creatives_trains(in_folder, world):
    prepare(in_folder, world=world, max_epochs=1)
    train.main()
    assert (load_model(in_folder / "artifacts/model").creative_encoder is None) == (world.num_creatives == 0)


def test_a_loss_that_is_no_number_stops_with_a_sentence(in_folder):
    prepare(in_folder)
    dense = np.full((600, 2), 1e30, dtype=np.float32)
    np.save(in_folder / "data/encoded/train/num_feats.npy", dense)
    with pytest.raises(ValueError, match=r"must be a finite number, got (nan|inf) by step \d+; lower train.lr"):
        train.main()


def test_a_full_disk_says_where_training_would_go_on_and_keeps_that_checkpoint(in_folder, monkeypatch):
    prepare(in_folder)
    write, calls = checkpoint_io.save_file, []

    def fill(tensors, path):
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tensors, path)

    monkeypatch.setattr(checkpoint_io, "save_file", fill)
    with pytest.raises(ValueError, match="checkpoint of step 10 .*No space left.*free some space.*goes on at step 8"):
        train.main()
    (run,) = (in_folder / ".checkpoints/train").iterdir()
    assert newest_checkpoint(run)[1] == 8 and not list(run.glob(".*partial"))


def test_an_empty_train_split_is_refused(in_folder):
    prepare(in_folder, world=World(num_rows={"train": 0, "val": 10}))
    with pytest.raises(ValueError, match="split train in .* has no rows"):
        train.main()


def test_key_of_a_run_follows_config_inputs_and_code(tmp_path):
    path = tmp_path / "input.npy"
    path.write_bytes(b"one")
    key = run_key({"train": {"lr": 0.1}}, [path])
    assert key == run_key({"train": {"lr": 0.1}}, [path])
    assert key != run_key({"train": {"lr": 0.2}}, [path])
    path.write_bytes(b"other")
    assert key != run_key({"train": {"lr": 0.1}}, [path])
    assert {"train.py", "training.py", "dcnv2.py"} <= {code.name for code in train.code_paths()}


def test_runs_of_another_key_are_removed(tmp_path):
    for name in ("this", "stale"):
        (tmp_path / name / "step=1").mkdir(parents=True)
    remove_stale_runs(tmp_path, "this")
    assert [path.name for path in tmp_path.iterdir()] == ["this"]
