"""What `make deploy` prints of both models, and what it keeps of the reports."""

import json
from hashlib import sha256
from pathlib import Path

from lifecycle.deploy.evidence import Report
from lifecycle.deploy.side_by_side import side_by_side

COMPARISON = {
    "verdict": "worse",
    "passes": False,
    "reasons": ["log-loss +2 %", "and more"],
    "overall": {
        "champion": {"log_loss": 0.15, "observed_over_predicted": 1.01},
        "candidate": {"log_loss": 0.153, "observed_over_predicted": 0.99},
        "relative": {"value": 0.02, "low": 0.011, "high": 0.029},
    },
}
GATE = {
    "verdict": "passed",
    "passes": True,
    "reasons": ["all 4 checks pass"],
    "checks": [
        {"name": "parity", "figures": {"difference": 0.0}},
        {"name": "p99, 1 row / 1 client", "figures": {"champion": 0.002, "candidate": 0.0021, "unit": "s"}},
        {"name": "memory", "figures": {"champion": 1500.0, "candidate": 1650.0, "unit": "MiB"}},
        {"name": "training time", "figures": {"champion": None, "candidate": 90.0, "unit": "s"}},
    ],
}


def report(name: str, content: dict | None, missing: str = "") -> Report:
    return Report(name=name, path=Path(f"{name}.json"), content=content, missing=missing)


def test_figures_that_both_have_stand_side_by_side_and_each_report_says_its_verdict():
    assert side_by_side([report("comparison", COMPARISON), report("gate", GATE)]) == [
        "                        champion  candidate               difference",
        "log-loss                 0.15000    0.15300  +2.00% [+1.10%, +2.90%]",
        "observed / predicted       1.010      0.990",
        "p99, 1 row / 1 client       2 ms     2.1 ms                    +5.0%",
        "memory                 1,500 MiB  1,650 MiB                   +10.0%",
        "comparison: worse, does not pass: log-loss +2 %",
        "gate: passed, passes: all 4 checks pass",
    ]


def test_a_report_that_is_not_there_says_why():
    gone = report("gate", None, missing="it ended with code 1")
    assert side_by_side([gone]) == ["gate: it ended with code 1"]
    assert (gone.passes, gone.reasons, gone.summary()) == (
        False,
        ["gate: it ended with code 1"],
        {"missing": "it ended with code 1"},
    )


def test_what_is_kept_of_a_report_names_its_bytes(project):
    (project / "comparison.json").write_text(json.dumps(COMPARISON))
    found = report("comparison", COMPARISON)
    assert found.reasons == ["comparison, worse: log-loss +2 %", "comparison, worse: and more"]
    digest = sha256((project / "comparison.json").read_bytes()).hexdigest()
    assert found.summary() == {"verdict": "worse", "passes": False, "reasons": COMPARISON["reasons"], "sha256": digest}
