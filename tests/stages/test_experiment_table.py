"""The table of experiments: one row a run, what differs from its commit, never wider than a terminal."""

import json
import subprocess

import pytest

from stages import experiment_table
from stages.experiment_table import HEAD, WIDTH, rows_of, table


def run_of(name: str | None, loss: float | None, **params: object) -> dict:
    metrics = {} if loss is None else {"reports/metrics.json": {"data": {"log_loss": loss, "auc": 0.7}}}
    return {"rev": "0123456789", "name": name, "data": {"params": {"params.yaml": {"data": params}}, "metrics": metrics}}


BASE = {"experiment_name": None, "train": {"lr": 0.006, "epochs": 8}, "model": {"hidden_dims": [256, 128]}}
SHOWN = [
    run_of(None, 0.15, **BASE | {"train": {"lr": 0.1, "epochs": 8}}) | {"rev": "workspace"},
    run_of("main", 0.16, **BASE)
    | {
        "experiments": [
            {"name": "warm-otter", "revs": [run_of("warm-otter", 0.17, **BASE | {"model": {"hidden_dims": [8]}})]},
            {
                "name": "smoky",
                "revs": [run_of("smoky", None, **BASE | {"experiment_name": "smoke", "train": {"lr": 1, "epochs": 1}})],
            },
            {"name": "failed", "revs": [{"rev": "9876543210", "data": None, "error": {"msg": "?"}}]},
        ]
    },
]


def test_a_row_says_what_the_run_gave_and_what_differs():
    assert list(rows_of(SHOWN)) == [
        ("workspace", "0.15000", "0.70000", "-", "train.lr=0.1"),
        ("main", "0.16000", "0.70000", "-", ""),
        ("  warm-otter", "0.17000", "0.70000", "-", "model.hidden_dims=[8]"),
        ("  smoky", "-", "-", "-", "experiment=smoke train.lr=1 train.epochs=1"),
        ("  failed", "-", "-", "-", ""),
    ]


def test_another_data_set_or_model_is_called_by_its_name():
    base = run_of("main", 0.1, data={"name": "simulated", "leave_out": []}, model={"name": "dcnv2"})
    other = run_of(None, 0.2, data={"name": "shop", "leave_out": [{"name": "s"}]}, model={"name": "deepfm", "dropout": 0})
    assert [row[-1] for row in rows_of([other, base])] == ["data=shop model=deepfm model.dropout=0", ""]


def test_no_line_is_wider_than_a_terminal():
    lines = table([("a" * 30, "0.1", "0.2", "0.3", "key=value " * 40), ("b", "0.15000", "-", "-", "")])
    assert max(map(len, lines)) == WIDTH and lines[1].endswith("...")
    assert lines[0].split()[0] == HEAD[0] and lines[2] == "b" + " " * 29 + "   0.15000    -         -"


def test_it_asks_dvc_and_says_so_if_dvc_fails(monkeypatch, capsys):
    answers = [subprocess.CompletedProcess([], 0, json.dumps(SHOWN)), subprocess.CompletedProcess([], 255, "")]
    monkeypatch.setattr(experiment_table.subprocess, "run", lambda *_, **__: answers.pop(0))
    experiment_table.main()
    assert capsys.readouterr().out.splitlines()[3].startswith("  warm-otter")
    with pytest.raises(ValueError, match="`dvc exp show` failed"):
        experiment_table.main()
