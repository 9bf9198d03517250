"""`python -m lifecycle.replay`: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.serving.release_log import Entry, append
from contracts.serving.releases import model_of
from tests.lifecycle.replay.replay_world import Answering, change_record, flip_last_output
from tests.serving.served_world import REPOSITORY
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent
NO_ID = "01900000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def journal(tmp_path_factory, strict_exported, strict_spec, strict_rows):
    folder = tmp_path_factory.mktemp("replayed")
    made = Answering(folder, strict_exported / REPOSITORY, strict_spec)
    exported = strict_exported / REPOSITORY
    append(made.store, Entry(event="release", model=model_of(exported), version=1, reasons=("the first release",)))
    append(made.store, Entry(event="release", model="f" * 64, version=1, reasons=("of a store that was removed",)))
    made.now_ns = 1_900_000_000_000_000_000
    made.ids = made.answer(strict_rows, 2, key="k1")
    made.ids += made.answer(strict_rows[5:], 3, key="k1")
    made.ids += made.answer(strict_rows[9:], 1, key="other")
    return made


def command(journal: Answering, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    told = ["--folder", str(folder or journal.folder), "--store", str(journal.store)]
    line = [sys.executable, "-m", "lifecycle.replay", *told, *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_id_says_what_was_recorded_replayed_explained_and_where_the_release_comes_from(journal):
    done = command(journal, "--id", journal.ids[1])
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == f"{journal.ids[1]}, answered 2030-03-17T17:46:40.002000Z by release 1"
    assert "asked with   request id r, key k1" in lines
    assert "batch        3 rows, replayed as it was: 3 equal to the last bit" in lines
    assert sum(line.endswith("equal to the last bit") for line in lines) == 4
    assert any(line.startswith("row 0: log-odds ") for line in lines)
    manifest = json.loads((journal.version / "manifest.json").read_bytes())
    for name, digest in manifest["data"].items():
        assert f"data         {digest}  {name}" in lines
    assert f"code         {manifest['code']} (sha-256 of what exported it)" in lines
    assert sum("the first release" in line for line in lines) == 2 and "of a store that was removed" not in done.stdout


def test_json_holds_the_same_for_programs(journal):
    done = command(journal, "--id", journal.ids[1], "--row", "2", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["explained_row"], [row["row"] for row in told["rows"]]) == (0, 2, [2])
    row = told["rows"][0]
    assert row["is_equal"] and row["recorded"] == row["replayed"] and row["difference"] == 0
    p = row["recorded"]
    assert abs(told["log_odds"] - np.log(p / (1 - p))) < 1e-6
    changes = [abs(part["change"]) for part in told["parts"]]
    assert changes == sorted(changes, reverse=True) and changes[0] > 0
    assert told["lineage"]["brought_by"]["reasons"] == ["the first release"] and told["lineage"]["params"]["seed"] == 3
    assert "ctr/ctr_packed.onnx" in told["lineage"]["files"]


def test_a_key_lists_its_answers_and_replays_the_latest(journal):
    done = command(journal, "--key", "k1", "--json")
    told = json.loads(done.stdout)
    assert [answer["prediction_id"] for answer in told["answers"]] == [journal.ids[1]] * 3 + [journal.ids[0]] * 2
    assert told["latest"]["prediction_id"] == journal.ids[1] and done.returncode == 0
    text = command(journal, "--key", "other").stdout
    assert text.startswith("1 answer with key other, the latest first\n") and journal.ids[2] in text


def test_a_share_counts_rows(journal):
    done = command(journal, "--share", "1")
    assert done.returncode == 0 and done.stdout.startswith("share 1: 6 rows of 3 batches in ")
    assert "  equal to the last bit  6\n  differing              0\n" in done.stdout
    told = json.loads(command(journal, "--share", "1", "--alone", "--json").stdout)
    assert (told["rows"], told["equal"], told["joined"], told["not_replayed"]) == (6, 6, False, {})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--id", "12"), "'12' is no prediction id: expected a UUID of version 7"),
        (("--id", "123e4567-e89b-42d3-a456-426614174000"), "is no prediction id: expected a UUID of version 7"),
        (("--id", NO_ID), "nothing of its writer 0000000000000000 is there. It is of 2024-06-"),
        (("--key", "nobody"), "has the key 'nobody'; a caller sends keys in the input key"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(journal, arguments, sentence):
    done = command(journal, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("replay: error: ") and sentence in done.stderr


def test_rows_and_journals_that_are_not_there_are_said_in_one_sentence(journal, tmp_path):
    done = command(journal, "--id", journal.ids[1], "--row", "3")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "has rows 0 to 2, got ROW=3" in done.stderr
    done = command(journal, "--share", "1", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "holds no journal; serve with" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "one of the arguments --id --key --share is required"),
        (("--share", "0"), "expected a number above 0, up to 1, got '0'"),
        (("--share", "nan"), "expected a number above 0, up to 1, got 'nan'"),
        (("--share", "1", "--day", "today"), "expected a day as YYYY-MM-DD, got 'today'"),
        (("--share", "1", "--row", "1"), "--row goes with --id"),
        (("--id", NO_ID, "--row", "-1"), "--row: expected"),
        (("--key", "k", "--day", "2027-01-15"), "--day and --alone go with --share"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(journal, arguments, sentence):
    done = command(journal, *arguments)
    assert done.returncode == 2 and sentence in done.stderr


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        (("SHARE=0.5", "DAY=2027-01-15"), '--share "0.5" --day "2027-01-15" --json'),
        (("ID=an id", "ROW=1"), '--id "${ID}" --row "1" --json'),
        (("KEY=k1",), '--key "${KEY}" --json'),
    ],
)
def test_make_passes_on_what_it_is_told(said, passed_on):
    """Printed, not run: `make` installs what is older than its lock."""
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "replay", "ARGS=--json", *said],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert " ".join(done.stdout.splitlines()[-1].split()) == f".venv-serving/bin/python -m lifecycle.replay {passed_on}"


def test_what_differs_ends_with_code_1(tmp_path, strict_exported, strict_spec, strict_rows):
    journal = Answering(tmp_path, strict_exported / REPOSITORY, strict_spec)
    (own,) = journal.answer(strict_rows, 2)
    change_record(journal.segments()[0], flip_last_output)
    for arguments in (("--id", own), ("--share", "1")):
        done = command(journal, *arguments)
        assert done.returncode == 1 and done.stderr == ""
    assert f"wrong: {own} row 1, recorded 0." in done.stdout
    assert ", which is wrong" in command(journal, "--id", own).stdout


def test_it_runs_where_torch_is_not(journal):
    """In the environment of serving, and without the pipeline's modules."""
    code = (
        "import sys\nfrom lifecycle.replay import __main__\n"
        "assert not {'torch', 'stages', 'triton_python_backend_utils'} & {name.partition('.')[0] for name in sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_explaining_is_running_the_graph_with_one_column_unknown(journal, strict_rows, strict_spec):
    told = json.loads(command(journal, "--id", journal.ids[1], "--row", "1", "--json").stdout)
    row = strict_rows[6:7]
    strings = [c.name for c in strict_spec.categorical]
    numbers = [c.name for c in strict_spec.numeric]
    texts = ["" if (value := row[name].cast(pl.String)[0]) is None else value for name in strings]
    values = row.select(pl.col(numbers).cast(pl.Float32)).to_numpy().astype(np.float32)

    def log_odds(texts: list[str], values: np.ndarray) -> float:
        p = float(journal.graph([texts], values)[0][0])
        return float(np.log(p / (1 - p)))

    expected = {}
    for place, name in enumerate(strings):
        expected[name] = log_odds([*texts[:place], "no such value", *texts[place + 1 :]], values)
    for place, name in enumerate(numbers):
        without = values.copy()
        without[0, place] = np.nan
        expected[name] = log_odds(texts, without)
    assert abs(told["log_odds"] - log_odds(texts, values)) < 1e-5
    parts = {part["column"]: part for part in told["parts"]}
    assert parts.keys() == expected.keys()
    for name, without in expected.items():
        assert abs(parts[name]["log_odds_without"] - without) < 1e-5, name
        assert abs(parts[name]["change"] - (without - told["log_odds"])) < 1e-5, name
    assert len({round(part["change"], 5) for part in told["parts"]}) > 5
    assert parts["constant"]["seen_as"] == "not looked at" and parts["constant"]["change"] == 0
    assert parts["device"]["seen_as"] == "known" and parts["device"]["value"] == row["device"][0]
