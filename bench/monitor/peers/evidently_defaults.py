"""Which columns Evidently's defaults call drifted; run by .venv-evidently's Python: `evidently_defaults.py FOLDER`.

Reads `reference.parquet` and all other Parquet files of the folder, writes a JSON object a window to `answers.json`. Strings are
declared to it as categories, numbers as numbers.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"  # before the import: it would send events otherwise

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

DISTANCES = ("Wasserstein distance (normed)", "Jensen-Shannon distance")  # drifted above the threshold; others are p-values


def asked(window: pd.DataFrame, reference: pd.DataFrame, page: Path) -> dict:
    """Method, score and verdict of each column, what it cost, and the size of the page."""
    started = time.process_time()
    report = Report([DataDriftPreset()]).run(dataset(window), dataset(reference))
    report.save_html(str(page))
    cpu_s = time.process_time() - started
    counted, *columns = report.dict()["metrics"]
    found = {one["config"]["column"]: verdict(one) for one in columns}
    assert sum(one["drifted"] for one in found.values()) == counted["value"]["count"]
    return {"columns": found, "cpu_s": cpu_s, "html_bytes": page.stat().st_size}


def dataset(table: pd.DataFrame) -> Dataset:
    texts = [name for name in table if table[name].dtype == object]
    numbers = [name for name in table if name not in texts]
    return Dataset.from_pandas(table, data_definition=DataDefinition(numerical_columns=numbers, categorical_columns=texts))


def verdict(metric: dict) -> dict:
    method, threshold, score = metric["config"]["method"], metric["config"]["threshold"], float(metric["value"])
    return {"method": method, "score": score, "drifted": score >= threshold if method in DISTANCES else score < threshold}


def main() -> None:
    folder = Path(sys.argv[1])
    reference = pd.read_parquet(folder / "reference.parquet")
    answers = {}
    for path in sorted(folder.glob("*.parquet")):
        if path.stem != "reference":
            answers[path.stem] = asked(pd.read_parquet(path), reference, folder / "page.html")
            print(f"{path.stem}: {answers[path.stem]['cpu_s']:.1f} cpu-s", file=sys.stderr, flush=True)
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
