"""Months arrive one by one: what are a training from scratch and one from the champion's weights worth, and what do they cost?

Every way of retraining makes a model at the end of each month, from rows of months that are over; it is judged on the next
month, which none of its rows come from. The first model is the same for all. Ways share worlds and months, so that their
differences are those of the ways.
"""

if __name__ == "__main__":  # before matplotlib is imported, which Lightning does
    from contracts.local_libraries import keep_matplotlib_here

    keep_matplotlib_here()

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import yaml

from bench.ablations.command import bench_training
from bench.figures import Figure
from bench.workspace import Workspace, workspace
from stages.files import sha256_file, write_json
from stages.models.encoded_arrays import load_creatives, load_spec, load_split
from stages.models.few_clicks import val_logits
from stages.models.model_folder import load_model
from stages.models.training import channels_last
from stages.models.val_metrics import auc, log_loss

NAME = "bench-warm-start"
MONTHS = ("2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10", "2026-11")  # the last is only judged on
ROWS_PER_MONTH = 50_000
WORLDS = (11, 12)
REBUILT_EVERY = 3  # months
ALL_MONTHS = "all_months"  # folder of the clean rows
LAST = 2  # months of the ways that look at the last ones only


@dataclass(frozen=True, kw_only=True)
class Way:
    """How models follow one another."""

    name: str
    months: int | None  # whose rows are trained on; None: all so far
    from_champion: bool
    rebuilt_every: int | None = None  # months after which one is made from scratch, on all so far

    def begins_anew(self, month: int) -> bool:
        """Is the model of month `month`, from 0, made from scratch."""
        rebuilt = self.rebuilt_every is not None and month % self.rebuilt_every == 0
        return month == 0 or not self.from_champion or rebuilt

    def window(self, month: int) -> tuple[str, ...]:
        """The months whose rows are trained and stopped on, and the one that is judged on."""
        whole = self.months is None or (self.from_champion and self.begins_anew(month))
        first = 0 if whole else max(month + 1 - self.months, 0)
        return MONTHS[first : month + 2]


WAYS = (
    Way(name="scratch, all months so far", months=None, from_champion=False),
    Way(name=f"scratch, last {LAST} months", months=LAST, from_champion=False),
    Way(name="champion, all months so far", months=None, from_champion=True),
    Way(name=f"champion, last {LAST} months", months=LAST, from_champion=True),
    Way(name=f"the same, every {REBUILT_EVERY}rd anew", months=LAST, from_champion=True, rebuilt_every=REBUILT_EVERY),
)


@dataclass(frozen=True, kw_only=True)
class JudgedMonth:
    """A model on the month after its own."""

    log_loss: float
    auc: float
    cpu_s: float  # of stage train, all threads


def measure(rows: int, worlds: tuple[int, ...], overrides: list[str]) -> list[Figure]:
    """The figures of all ways. Prints every model as it is judged."""
    found: dict[str, list[JudgedMonth]] = {way.name: [] for way in WAYS}
    size = [f"exchange.impressions_per_month={rows}", f"exchange.months=[{','.join(MONTHS)}]"]
    for seed in worlds:
        with workspace([f"exchange.seed={seed}", *size, *overrides]) as space:
            space.stages("acquire", "validate")
            (space.root / "data/clean").rename(space.root / ALL_MONTHS)
            made: dict[tuple[str, ...], JudgedMonth] = {}
            for way in WAYS:
                found[way.name] += follow(space, way, made)
    return figures(found)


def follow(space: Workspace, way: Way, made: dict[tuple[str, ...], JudgedMonth]) -> list[JudgedMonth]:
    """The models that `way` makes, month after month, each the champion until the next.

    `made` are those from scratch: two ways that begin anew with the same months have one model.
    """
    models, champion = [], space.root / "champion/model"
    for month in range(len(MONTHS) - 1):
        months, start = way.window(month), "scratch" if way.begins_anew(month) else "champion"
        kept = space.root / "made" / "_".join(months)
        if start == "champion":
            one = make(space, months, start)
            crown(space.root, champion)
        else:
            if months not in made:
                made[months] = make(space, months, start)
                crown(space.root, kept)
            one = made[months]
            shutil.copytree(kept, champion, dirs_exist_ok=True)
        show(way, month, start, one)
        models.append(one)
    return models


def make(space: Workspace, months: tuple[str, ...], start: str) -> JudgedMonth:
    """Train on all of `months` but the last, and judge on that one."""
    set_start(space.root, start)
    space.remove("data/clean", "artifacts", ".checkpoints")
    for month in months:
        shutil.copytree(space.root / ALL_MONTHS / month, space.root / "data/clean" / month, copy_function=os.link)
    space.stages("split", "inherit", "fit", "encode")
    took = space.stage("train")
    return judged(space.root, took.cpu_s)


def set_start(root: Path, start: str) -> None:
    """Say in params.yaml where training starts."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["train"]["start"] = start
    path.write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))


def judged(root: Path, cpu_s: float) -> JudgedMonth:
    """The model in `root` on its test rows."""
    encoded = root / "data/encoded"
    spec = load_spec(encoded)
    test, images = load_split(encoded, "test", spec), load_creatives(encoded, spec)
    logit_N = val_logits(load_model(root / "artifacts/model"), test, channels_last(images))
    return JudgedMonth(log_loss=log_loss(logit_N, test.label_N), auc=auc(logit_N, test.label_N), cpu_s=cpu_s)


def crown(root: Path, folder: Path) -> None:
    """Make `folder` of the newest model what a champion's is, as far as a training reads it."""
    export = folder / "export"
    shutil.rmtree(folder, ignore_errors=True)
    export.mkdir(parents=True)
    for name in ("model/model.json", "model/weights.safetensors", "encoder.onnx", "features.json"):
        shutil.copy(root / "artifacts" / name, export)
    shutil.copy(root / "reports/split.json", folder)
    write_json(export / "manifest.json", {"files": {path.name: sha256_file(path) for path in sorted(export.iterdir())}})


def show(way: Way, month: int, start: str, one: JudgedMonth) -> None:
    text = f"{way.name}: model of {MONTHS[month]} from {start}, judged on {MONTHS[month + 1]}: log-loss {one.log_loss:.5f}"
    print(f"bench:   {text}, AUC {one.auc:.4f}, {one.cpu_s:.0f} s of processor time", file=sys.stderr, flush=True)


def figures(found: dict[str, list[JudgedMonth]]) -> list[Figure]:
    """A row for each way, over the months in which they differ, beside the first one."""
    later = {name: [one for place, one in enumerate(models) if place % (len(MONTHS) - 1)] for name, models in found.items()}
    base = next(iter(later.values()))
    return [Figure(what=f"next month, {name}", figure=shown(models, base)) for name, models in later.items()]


def shown(models: list[JudgedMonth], base: list[JudgedMonth]) -> str:
    loss, area = mean(one.log_loss for one in models), mean(one.auc for one in models)
    took = sum(one.cpu_s for one in models) / sum(one.cpu_s for one in base)
    text = f"log-loss {loss:.5f}, AUC {area:.4f}, processor time of training {took:.2f}x"
    if models is base:
        return f"{text} ({mean(one.cpu_s for one in base):,.0f} s a model)"
    worse = [100 * (one.log_loss / other.log_loss - 1) for one, other in zip(models, base, strict=True)]
    return f"{text}; log-loss {mean(worse):+.2f} % ({min(worse):+.2f} to {max(worse):+.2f} in {len(worse)} models)"


if __name__ == "__main__":
    sys.exit(bench_training(NAME, __doc__.splitlines()[0], "worlds", WORLDS, measure, ROWS_PER_MONTH))
