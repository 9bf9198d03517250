"""Prints what each experiment gave, in at most 120 columns: `python -m stages.experiment_table`, which `make experiments` calls.

Reads what `dvc exp show --json` says. Of the parameters it shows those in which a run differs from the commit that it stands on.
"""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from stages.entry import run_stage

WIDTH = 120
METRICS = {"log_loss": "log-loss", "auc": "AUC", "observed_over_predicted": "obs/pred"}  # key of reports/metrics.json -> head
HEAD = ("experiment", *METRICS.values(), "what differs")
PARAMS, METRICS_FILE = "params.yaml", "reports/metrics.json"
GROUPS = {"experiment": "experiment_name", "data": "data.name", "model": "model.name"}  # override -> the key that names its file
ABSENT = "-"


def main() -> None:
    asked = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--json"], stdout=subprocess.PIPE, text=True, check=False)
    if asked.returncode:
        raise ValueError("`dvc exp show` failed; what it said stands above")
    print("\n".join(table(list(rows_of(json.loads(asked.stdout))))))


def rows_of(shown: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A row of HEAD for the workspace, each commit, and each experiment below its commit."""
    base = flat(values(shown[-1], "params", PARAMS))
    for commit in shown:
        yield row(commit.get("name") or (commit["rev"] if commit["rev"] == "workspace" else commit["rev"][:7]), commit, base)
        own = flat(values(commit, "params", PARAMS))
        for experiment in commit.get("experiments") or []:
            yield row(f"  {experiment.get('name') or experiment['revs'][0]['rev'][:7]}", experiment["revs"][0], own)


def row(name: str, run: dict[str, Any], base: dict[str, Any]) -> tuple[str, ...]:
    metrics, params = values(run, "metrics", METRICS_FILE), flat(values(run, "params", PARAMS))
    found = [f"{metrics[key]:.5f}" if isinstance(metrics.get(key), float) else ABSENT for key in METRICS]
    changed = {key: value for key, value in params.items() if base and value != base.get(key)}
    chosen = {group: changed.pop(key) for group, key in GROUPS.items() if changed.get(key)}
    if "data" in chosen:  # another data set is other in everything
        changed = {key: value for key, value in changed.items() if not key.startswith("data.")}
    differs = [f"{key}={shortly(value)}" for key, value in (chosen | changed).items()]
    return name, *found, " ".join(differs)


def values(run: dict[str, Any], kind: str, file: str) -> dict[str, Any]:
    """What a run has in a file; nothing if the file or the run could not be read."""
    return ((run.get("data") or {}).get(kind) or {}).get(file, {}).get("data") or {}


def flat(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in params.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def shortly(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) or value is None else str(value)


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of at most WIDTH characters; the last column is cut where it is too long."""
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD) - 1)]
    lines = []
    for name, *numbers, differs in (HEAD, *rows):
        start = "  ".join(
            [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)), ""]
        )
        left = WIDTH - len(start)
        lines.append((start + (differs if len(differs) <= left else differs[: left - 3] + "...")).rstrip())
    return lines


if __name__ == "__main__":
    run_stage(main)
