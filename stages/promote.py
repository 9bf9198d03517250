"""Promotion: `python -m stages.promote` makes the newest export the champion, if stage compare lets it.

Writes champion/model (graphs, Triton repository, evaluation, profile of the training rows, what the training took,
promotion.json), lets DVC track it (champion/model.dvc), and commits that file or says what to commit. Not a stage of the
pipeline: `make promote` calls it.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import getpass
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.git_commit import git_revision
from stages.comparing.models import (
    CHAMPION_DIR,
    EVALUATION,
    EVALUATION_PATH,
    EXPORT,
    EXPORT_DIR,
    PROFILE,
    PROFILE_PATH,
    PROMOTION,
    SPLIT,
    SPLIT_PATH,
    read_champion,
)
from stages.config import LifecycleConfig
from stages.entry import run_stage
from stages.files import atomic_folder, read_json, sha256_file, write_json
from stages.scoring.scorer import check_export
from stages.settings import load_section

COMPARISON_PATH, LOCK_PATH = Path("reports/comparison.json"), Path("dvc.lock")
TIMING_PATH, WEIGHTS_PATH = Path("reports/train_timing.json"), Path("artifacts/model/weights.safetensors")
REPOSITORY_DIR, REPOSITORY = Path("artifacts/repository"), "repository"
POINTER = CHAMPION_DIR.with_suffix(".dvc")


def main() -> None:
    args = parse(sys.argv[1:])
    commits = load_section("lifecycle", LifecycleConfig).commit
    check_export(EXPORT_DIR)
    candidate = sha256_file(EXPORT_DIR / "manifest.json")
    champion = read_champion()
    if champion is not None and champion.digest == candidate:
        print(f"promote: the newest export, {candidate[:12]}, is the champion already")
        return
    comparison = read_comparison(candidate, None if champion is None else champion.digest)
    refuse_unproven(comparison, args.force)
    write_champion(promotion(comparison, args.why if args.force else None))
    track()
    print(f"promote: {candidate[:12]} is the champion ({comparison['verdict']}: {comparison['reasons'][0]})")
    print(
        f"promote: {committed(candidate) if commits else to_commit(candidate)}; then `dvc push {POINTER}` copies it to the remote"
    )


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.promote", description="Make the newest export the champion.")
    parser.add_argument("--force", action="store_true", help="promote what compare does not let pass; needs --why")
    parser.add_argument("--why", default="", help="the reason for --force, kept in promotion.json")
    args = parser.parse_args(argv)
    if args.force and not args.why.strip():
        raise ValueError('--force needs a reason: make promote FORCE=1 WHY="..."')
    return args


def read_comparison(candidate: str, champion: str | None) -> dict[str, Any]:
    """What stage compare found about these two. Raises ValueError if it is about others."""
    if not COMPARISON_PATH.is_file():
        raise ValueError(f"{COMPARISON_PATH} is missing; run `dvc repro compare` first")
    found = read_json(COMPARISON_PATH)
    if (found["candidate"], found["champion"]) != (candidate, champion):
        raise ValueError(f"{COMPARISON_PATH} is about another candidate or champion; run `dvc repro compare` first")
    return found


def refuse_unproven(comparison: dict[str, Any], force: bool) -> None:
    if not comparison["passes"] and not force:
        raise ValueError(
            f"the candidate does not pass ({comparison['verdict']}; needed {comparison['need']}): {comparison['reasons'][0]}; "
            'reports/comparison.html has all of it; `make promote FORCE=1 WHY="..."` overrides and keeps the reason'
        )


def promotion(comparison: dict[str, Any], forced_because: str | None) -> dict[str, Any]:
    """Who became champion when, from which code and data, on what evidence."""
    return {
        "promoted": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": getpass.getuser(),
        "code": git_revision(),
        "dvc_lock": sha256_file(LOCK_PATH) if LOCK_PATH.is_file() else None,
        "candidate": comparison["candidate"],
        "before": comparison["champion"],
        "verdict": comparison["verdict"],
        "reasons": comparison["reasons"],
        "forced_because": forced_because,
    }


def write_champion(about: dict[str, Any]) -> None:
    """Replace champion/model as a whole."""
    with atomic_folder(CHAMPION_DIR) as fresh:
        shutil.copytree(EXPORT_DIR, fresh / EXPORT)
        shutil.copytree(REPOSITORY_DIR, fresh / REPOSITORY)
        for source, name in ((PROFILE_PATH, PROFILE), (SPLIT_PATH, SPLIT), (EVALUATION_PATH, EVALUATION)):
            shutil.copyfile(source, fresh / name)
        if (timing := training_cost()) is not None:
            write_json(fresh / TIMING_PATH.name, timing)
        write_json(fresh / PROMOTION, about)


def training_cost() -> dict[str, Any] | None:
    """What the training of these weights took; None if that is not known here, since it is no output that DVC brings along."""
    if not TIMING_PATH.is_file() or not WEIGHTS_PATH.is_file():
        return None
    timing: dict[str, Any] = read_json(TIMING_PATH)
    return timing if timing.get("weights") == sha256_file(WEIGHTS_PATH) else None


def track() -> None:
    """Let DVC track the folder: its cache has the files from now on, `model.dvc` their digest."""
    done = subprocess.run(["dvc", "add", "--quiet", str(CHAMPION_DIR)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        back = f"; `dvc checkout --force {POINTER}` brings the champion before it back" if POINTER.is_file() else ""
        raise ValueError(f"{CHAMPION_DIR} is written, but `dvc add` failed: {said}{back}")


def to_commit(candidate: str) -> str:
    return f'to keep it: git add {POINTER} && git commit -m "{message(candidate)}"'


def committed(candidate: str) -> str:
    """Commit the pointer alone; what else is staged stays so."""
    for command in (["git", "add", str(POINTER)], ["git", "commit", "--quiet", "-m", message(candidate), "--", str(POINTER)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise ValueError(
                f"the champion is written and tracked, but `{' '.join(command[:2])}` failed: {said}; {to_commit(candidate)}"
            )
    return f"committed {POINTER}"


def message(candidate: str) -> str:
    return f"[champion] {candidate[:12]}"


if __name__ == "__main__":
    run_stage(main)
