"""Promotion: `python -m stages.promote` makes the newest export the champion, if stage compare lets it; `--from` one of a
training that ran in a folder of its own.

Writes champion/model (graphs, Triton repository, evaluation, profile of the training rows, cost of the training,
promotion.json), lets DVC track it (champion/model.dvc), commits that file or says what to commit, and adds a line to
releases.jsonl in the store. Not a stage of the pipeline: `make promote` calls it.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import getpass
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.git_commit import git_revision
from contracts.lifecycle.champion import CHAMPION, EXPORT, REPOSITORY, TIMING
from contracts.lifecycle.retraining import LifecycleConfig
from contracts.serving.config import ServingConfig
from contracts.serving.release_log import NAME, Entry, append, read
from contracts.serving.releases import EXPORTED, EXPORTED_VERSION, identity
from stages.champion_pointer import POINTER, committed, has_remote, restore, to_commit, track
from stages.comparing.models import (
    EVALUATION,
    EVALUATION_PATH,
    EXPORT_DIR,
    PROFILE,
    PROFILE_PATH,
    PROMOTION,
    SPLIT,
    SPLIT_PATH,
    read_champion,
)
from stages.entry import run_stage
from stages.files import atomic_folder, read_json, sha256_file, write_json
from stages.scoring.scorer import check_export
from stages.settings import load_section

COMPARISON_PATH, LOCK_PATH = Path("reports/comparison.json"), Path("dvc.lock")
TIMING_PATH, WEIGHTS_PATH = Path("reports") / TIMING, Path("artifacts/model/weights.safetensors")
REPOSITORY_DIR = EXPORTED.parent


def main() -> None:
    args = parse(sys.argv[1:])
    commits, store = load_section("lifecycle", LifecycleConfig).commit, Path(load_section("serving", ServingConfig).server.store)
    if args.back_to:
        bring_back(store, args.back_to, commits)
        return
    made_in: Path = args.made_in
    check_export(made_in / EXPORT_DIR)
    candidate = sha256_file(made_in / EXPORT_DIR / "manifest.json")
    champion = read_champion()
    if champion is not None and champion.digest == candidate and same_repositories(made_in):
        complete_promotion(store, candidate, commits)
        return
    comparison = read_comparison(made_in, candidate, None if champion is None else champion.digest)
    refuse_unproven(comparison, args.force)
    forced_because = args.why if args.force and not comparison["passes"] else None
    about = promotion(made_in, comparison, forced_because)
    write_champion(made_in, about)
    remember(store, about, track())
    print(f"promote: {candidate[:12]} is the champion ({comparison['verdict']}: {comparison['reasons'][0]})")
    say_how_to_keep(candidate, commits)


def same_repositories(made_in: Path) -> bool:
    """Would both be served with the same settings."""
    exported = made_in / REPOSITORY_DIR
    names = [path.name for path in exported.iterdir()]
    ours, champions = (
        [identity(folder / name, EXPORTED_VERSION) for name in names] for folder in (exported, CHAMPION / REPOSITORY)
    )
    return ours == champions


def bring_back(store: Path, release: str, commits: bool) -> None:
    """Make an earlier champion the champion again, by what releases.jsonl says of its promotion.

    Raises ValueError if it says nothing, or DVC has the files no more.
    """
    promoted = [entry for entry in read(store)[0] if entry["event"] == "promotion" and entry.get("release") == release]
    if not promoted or not promoted[-1]["pointer"]:
        raise ValueError(f"{store / NAME} has no promotion of release {release[:12]}")
    model, pointer = promoted[-1]["model"], promoted[-1]["pointer"]
    restore(pointer)
    again = Entry(event="promotion", model=model, release=release, pointer=pointer, reasons=("it was the champion before",))
    append(store, again)
    print(f"promote: {model[:12]} is the champion again")
    say_how_to_keep(model, commits)


def complete_promotion(store: Path, model: str, commits: bool) -> None:
    """The newest export is the champion: have DVC track it, and the log say so, in case the promotion broke off before that."""
    pointer = track()
    if any((line["event"], line["model"], line["pointer"]) == ("promotion", model, pointer) for line in read(store)[0]):
        print(f"promote: the newest export, {model[:12]}, is the champion already")
        return
    remember(store, read_json(CHAMPION / PROMOTION), pointer)
    print(f"promote: {model[:12]} is the champion; its promotion had broken off")
    say_how_to_keep(model, commits)


def remember(store: Path, about: dict[str, Any], pointer: dict[str, Any]) -> None:
    """Add a promotion to releases.jsonl; `about` is its promotion.json."""
    entry = Entry(
        event="promotion",
        model=about["candidate"],
        release=identity(CHAMPION / REPOSITORY / EXPORTED.name, EXPORTED_VERSION),
        champion=about["before"],
        data=read_json(CHAMPION / EXPORT / "manifest.json").get("data", {}),
        evidence={name: about[name] for name in ("comparison",) if name in about},  # the first promotions did not keep it
        reasons=tuple(about["reasons"]),
        forced_because=about["forced_because"],
        pointer=pointer,
    )
    append(store, entry)


def say_how_to_keep(model: str, commits: bool) -> None:
    kept = committed(message(model)) if commits else to_commit(message(model))
    copied = f"; then `.venv/bin/dvc push {POINTER}` copies it to the remote" if has_remote() else ""
    print(f"promote: {kept}{copied}")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.promote", description="Make the newest export the champion.")
    parser.add_argument("--force", action="store_true", help="promote what compare does not let pass; needs --why")
    parser.add_argument("--why", default="", help="the reason for --force, kept in promotion.json and releases.jsonl")
    parser.add_argument("--from", dest="made_in", type=Path, default=Path(), help="the project folder whose newest export it is")
    parser.add_argument("--back-to", metavar="RELEASE", help="make the champion again what releases.jsonl calls so")
    args = parser.parse_args(argv)
    if args.force and not args.why.strip():
        raise ValueError('--force needs a reason: make promote FORCE=1 WHY="..."')
    return args


def read_comparison(made_in: Path, candidate: str, champion: str | None) -> dict[str, Any]:
    """What stage compare found about these two. Raises ValueError if it is about others."""
    path = made_in / COMPARISON_PATH
    if not path.is_file():
        raise ValueError(f"{path} is missing; run `dvc repro compare` first")
    found = read_json(path)
    if (found["candidate"], found["champion"]) != (candidate, champion):
        raise ValueError(f"{path} is about another candidate or champion; run `dvc repro compare` first")
    return found


def refuse_unproven(comparison: dict[str, Any], force: bool) -> None:
    if not comparison["passes"] and not force:
        raise ValueError(
            f"the candidate does not pass ({comparison['verdict']}; needed {comparison['need']}): {comparison['reasons'][0]}; "
            'reports/comparison.html has all of it; `make promote FORCE=1 WHY="..."` overrides and keeps the reason'
        )


def promotion(made_in: Path, comparison: dict[str, Any], forced_because: str | None) -> dict[str, Any]:
    """Who became champion when, from which code and data, on what evidence."""
    return {
        "promoted": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": getpass.getuser(),
        "code": git_revision(),
        "dvc_lock": sha256_file(made_in / LOCK_PATH) if (made_in / LOCK_PATH).is_file() else None,
        "candidate": comparison["candidate"],
        "before": comparison["champion"],
        "verdict": comparison["verdict"],
        "reasons": comparison["reasons"],
        "comparison": {name: comparison[name] for name in ("verdict", "passes", "reasons")}
        | {"sha256": sha256_file(made_in / COMPARISON_PATH)},
        "forced_because": forced_because,
    }


def write_champion(made_in: Path, about: dict[str, Any]) -> None:
    """Replace champion/model as a whole."""
    with atomic_folder(CHAMPION) as fresh:
        shutil.copytree(made_in / EXPORT_DIR, fresh / EXPORT)
        shutil.copytree(made_in / REPOSITORY_DIR, fresh / REPOSITORY)
        for source, name in ((PROFILE_PATH, PROFILE), (SPLIT_PATH, SPLIT), (EVALUATION_PATH, EVALUATION)):
            shutil.copyfile(made_in / source, fresh / name)
        if (timing := training_cost(made_in)) is not None:
            write_json(fresh / TIMING, timing)
        write_json(fresh / PROMOTION, about)


def training_cost(made_in: Path) -> dict[str, Any] | None:
    """What the training of these weights took; None if that is not known here, since it is no output that DVC brings along."""
    path, weights = made_in / TIMING_PATH, made_in / WEIGHTS_PATH
    if not path.is_file() or not weights.is_file():
        return None
    timing: dict[str, Any] = read_json(path)
    return timing if timing.get("weights") == sha256_file(weights) else None


def message(candidate: str) -> str:
    return f"[champion] {candidate[:12]}"


if __name__ == "__main__":
    run_stage(main)
