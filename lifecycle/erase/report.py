"""What an erasure says at its end: what was erased, and where the user may still be, each with what to do about it."""

from collections.abc import Iterable
from pathlib import Path

from lifecycle.erase import reach
from lifecycle.erase.found import Findings
from lifecycle.erase.wanted import Wanted

SHOWN = 5  # names of a list
GC = "dvc gc --workspace --cloud --remote NAME"


def summary(found: Findings, verb: str) -> str:
    counts = found.counts()
    return (
        f"{verb} {counts['journal_rows']} rows in {counts['journal_segments']} segments, {counts['parquet_rows']} in "
        f"{counts['parquet_files']} Parquet files of the journal, {counts['images']} images, {counts['raw_rows']} rows in "
        f"{counts['raw_files']} raw files of data/, {counts['labels']} labels, {counts['feedback_events']} events of feedback, "
        f"{counts['labelled_rows']} labelled rows, {counts['rollout_rows']} rows of rollouts"
    )


def left(found: Findings, wanted: Wanted, project: Path, store: Path, trainings: Path) -> list[str]:
    """One line for each place that still holds the user, or may. `trainings`: has a copy of the project for each of them."""
    lines = [
        f"{path} holds {rows} rows and no .dvc file here tracks it: remove them there" for path, rows in found.others.items()
    ]
    lines += [f"not looked into: {what}" for what in found.not_looked_into]
    made = [folder for name in reach.MADE if reach.holding(folder := project / name, wanted)]
    if made:
        lines.append(
            f"{_names(made, project)} hold the user, made by the pipeline: `make repro` makes them again from the source"
        )
    lines += [
        f"release {version} of {store} knows the user: `make repro` and `make deploy` make one that does not, "
        "`make prune KEEP=2` removes old ones"
        for version in reach.knowing(store, wanted)
    ]
    for name, advice in (
        ("artifacts", "`make repro` makes them again"),
        ("reports", "`make repro` makes them again"),
        ("champion", "`make promote` or `make deploy` of a model that was trained without the user replaces it"),
        (".checkpoints", "remove the folder"),
    ):
        if reach.holding(project / name, wanted):
            lines.append(f"{name}/ holds the user: {advice}")
    lines += [
        f"{_names([folder], project)} holds the user, for a training: remove the folder; `make retrain SET=stop` first if it runs"
        for folder in sorted(trainings.glob("*/"))
        if reach.holding(folder, wanted)
    ]
    logs = [path for path in sorted(store.glob("*.log*")) if reach.holding(path, wanted)]
    if logs:
        lines.append(f"{_names(logs, project)} hold the user: remove them")
    return lines


def beyond_reach() -> tuple[str, ...]:
    """Where nobody looks from here."""
    return (
        "DVC's cache keeps earlier versions of data, models and champion until, after `make repro` and a commit, "
        "`dvc gc --workspace` removes what the workspace does not use, here and for good",
        f"DVC's remotes as well: `{GC}`; experiments first: `dvc exp remove --all-commits`, `dvc queue remove --all`",
        "earlier commits of .dvc files and dvc.lock still name the digests of those versions, and nothing of what was in them",
        "backups, copies, logs of proxies, and what callers keep: whoever has them",
        "rows that arrive from now on: the caller has to stop sending them",
    )


def _names(paths: Iterable[Path], project: Path) -> str:
    names = [str(path.relative_to(project)) if path.is_relative_to(project) else str(path) for path in paths]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
