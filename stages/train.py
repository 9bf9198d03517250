"""Trains the network of section `model` on data/encoded/: writes artifacts/model/, curves and metrics to reports/train/.

A killed training goes on where its last checkpoint stands, and ends with the same bytes as one that was not killed.
"""

if __name__ == "__main__":  # before torch is imported, and matplotlib, which Lightning does, and all that takes its time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

    from contracts.local_libraries import keep_matplotlib_here
    from stages.before_torch import set_up_libraries

    keep_matplotlib_here()
    set_up_libraries()

import math
import resource
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from safetensors.torch import load_file

from stages.before_torch import is_set_up
from stages.entry import run_stage
from stages.files import sha256_file, write_json
from stages.models.config import ModelConfig, TrainConfig, TrainerConfig
from stages.models.curve_files import curve_logger
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.epoch_rows import EpochRows, epoch_rows
from stages.models.few_clicks import Mixed, has_few_clicks, share_with_linear_part
from stages.models.model_folder import save_model
from stages.models.resume import hold_alone, remove_stale_runs, run_key
from stages.models.training import EncodedData, Trained, channels_last, train_network
from stages.settings import load_section
from stages.warm_start.inherited import STARTED_FROM, Inherited, read_inherited
from stages.warm_start.rows import known_values
from stages.warm_start.weights import InitialWeights, initial_weights

ENCODED, ENCODER = Path("data/encoded"), Path("artifacts/encoder.onnx")
MODEL = Path("artifacts/model")
REPORT = Path("reports/train")
TIMING = Path("reports/train_timing.json")
RUNS = Path(".checkpoints/train")
SAMPLED = "sampled_negatives"  # key of the facts about a training on a share of the rows without a click
KIB_IN_MIB = 1024  # Linux tells the largest resident set in KiB
LOG = RUNS.with_suffix(".log")  # step, rows/s and time left; no output, since it holds times


def main() -> None:
    model = load_section("model", ModelConfig)
    train = load_section("train", TrainConfig)
    trainer = load_section("trainer", TrainerConfig)
    check_portable(trainer)
    data = load_encoded(ENCODED)
    inherited = read_inherited(train.start)
    initial = None if inherited is None else initial_weights(inherited, data.spec, known_values(ENCODER))

    sections = {"model": asdict(model), "train": asdict(train), "trainer": asdict(trainer)}
    key = run_key(sections, [*input_paths(ENCODED, inherited), *code_paths()])
    lock = prepare_runs(RUNS, key)
    fitted = train_network(
        data,
        model,
        train.in_force(),
        trainer,
        work_folder=RUNS / key,
        logger=curve_logger(REPORT),
        log_path=LOG,
        initial=None if initial is None else initial.weights,
    )
    if not fitted.is_main_process:
        return

    rows = epoch_rows(data.train, train.keep_negatives, train.seed)
    mixed = mix(fitted, data, rows)
    write_outputs(fitted, mixed, rows, inherited, initial)
    shutil.rmtree(RUNS / key)
    lock.close()
    print(summary(fitted, mixed, model.name, rows))
    if inherited is not None and initial is not None:
        print(f"train: from champion {inherited.origin.champion[:12]}: {initial.summary()}")


def check_portable(trainer: TrainerConfig) -> None:
    """Raise ValueError if the weights are to be portable and torch was loaded without a word of it."""
    if trainer.portable and not is_set_up():
        raise ValueError("trainer.portable is said before torch is imported; run `python -m stages.train`")


def load_encoded(folder: Path) -> EncodedData:
    """The train and val split in `folder`. Raises ValueError if one is empty or does not agree with spec.json."""
    spec = load_spec(folder)
    return EncodedData(
        spec=spec,
        train=load_split(folder, "train", spec),
        val=load_split(folder, "val", spec),
        image_NCSS=load_creatives(folder, spec),
    )


def input_paths(folder: Path, inherited: Inherited | None = None) -> list[Path]:
    """The files that training reads."""
    start = [] if inherited is None else [*inherited.paths, ENCODER]
    return [folder / "spec.json", *folder.glob("creatives.npy"), *folder.glob("train/*.npy"), *folder.glob("val/*.npy"), *start]


def code_paths() -> list[Path]:
    """The source files that decide what training computes."""
    here = Path(__file__).parent
    return [Path(__file__), *(here / "models").glob("*.py"), *(here / "warm_start").glob("*.py")]


@rank_zero_only
def prepare_runs(parent: Path, key: str) -> IO[str]:
    """Make sure that no other training runs here, remove what earlier ones left, make the folder of this one.

    Returns what holds the place until it is closed. Raises ValueError if another training holds it.
    """
    lock = hold_alone(parent.with_suffix(".lock"))
    remove_stale_runs(parent, key)
    (parent / key).mkdir(parents=True, exist_ok=True)
    return lock


def mix(fitted: Trained, data: EncodedData, rows: EpochRows) -> Mixed:
    """Load the best weights into the network and, where clicks are few and val is for it, give it a linear part."""
    network, best = fitted.network.cpu(), fitted.best
    network.load_state_dict(load_file(fitted.best_weights_path))
    mixed = None
    if has_few_clicks(data.train):
        train = data.train if rows.kept_share == 1 else data.train.taken(np.sort(rows.of(0)))
        images = channels_last(data.image_NCSS)
        mixed = share_with_linear_part(network, train, data.val, images, rows.seed, rows.logit_shift)
    return mixed or Mixed(share=0.0, log_loss=best.log_loss, auc=best.auc)


def write_outputs(
    fitted: Trained, mixed: Mixed, rows: EpochRows, inherited: Inherited | None, initial: InitialWeights | None
) -> None:
    """Write model, final metrics and timing; of a start from the champion, from which and what was taken over."""
    best, network = fitted.best, fitted.network
    facts = {"best_epoch": best.epoch, "num_parameters": sum(p.numel() for p in network.parameters())}
    started = {} if inherited is None else {STARTED_FROM: asdict(inherited.origin)}
    carried = {} if initial is None else {"carried_over": [asdict(field) for field in initial.fields]}
    sampled = {} if rows.kept_share == 1 else {SAMPLED: sampling(rows)}
    save_model(MODEL, network, network.state_dict(), facts | started | sampled)
    write_json(
        REPORT / "metrics.json",
        {
            "val/log_loss": mixed.log_loss,
            "val/auc": mixed.auc if math.isfinite(mixed.auc) else None,  # undefined where val has one class only
            "linear_share": mixed.share,
            "best_epoch": best.epoch,
            "num_steps": fitted.num_steps,
            "batch_size": fitted.batch_size,
            **started,
            **carried,
            **sampled,
        },
    )
    timing = {
        "train_rows_per_s": round(fitted.rows_per_s),
        "train_s": round(fitted.train_s, 2),
        "rows": fitted.num_rows,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_MIB),
        "weights": sha256_file(MODEL / "weights.safetensors"),  # of which model this is
    }
    write_json(TIMING, timing)


def sampling(rows: EpochRows) -> dict[str, float]:
    """What is said of a training on a share of the rows without a click, beside the model and among the metrics."""
    num_clicks = len(rows) - rows.num_others
    return {
        "rows": rows.num_all,
        "clicks": num_clicks,
        "others_an_epoch": rows.num_others,
        "kept_share": rows.kept_share,
        "logit_shift": rows.logit_shift,
    }


def summary(fitted: Trained, mixed: Mixed, name: str, rows: EpochRows) -> str:
    kept = "" if rows.kept_share == 1 else f" ({len(rows):,} an epoch: all clicks, {rows.kept_share:.4g} of the others)"
    linear = f" and a linear part of {mixed.share:g}" if mixed.share else ""
    return (
        f"train: {name}{linear} on {rows.num_all:,} rows{kept}, {fitted.num_steps:,} steps of {fitted.batch_size:,}, "
        f"best epoch {fitted.best.epoch}: val/log_loss {mixed.log_loss:.5f}, val/auc {mixed.auc:.5f}; "
        f"{fitted.rows_per_s:,.0f} rows/s"
    )


if __name__ == "__main__":
    run_stage(main)
