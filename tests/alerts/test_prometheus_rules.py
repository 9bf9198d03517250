"""The shipped rules and examples: what Prometheus' own tools say of them, each alert's case, words and metrics."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.alerts.known_families import NAME, alerts, known_families, panel_expressions, rules
from tests.alerts.prometheus_world import DEPLOY
from tests.project.imports import ROOT

CASES = sorted((DEPLOY / "tests").glob("*.yml"))
NAMED = re.compile(r'alertname=~?"([^"]+)"')


def tool(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.services
@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "--lint-fatal", str(DEPLOY / "prometheus.yml")),
        ("promtool", "check", "rules", "--lint-fatal", *map(str, sorted((DEPLOY / "rules").glob("*.yml")))),
        ("amtool", "check-config", str(DEPLOY / "alertmanager.yml")),
    ],
    ids=["prometheus.yml", "rules", "alertmanager.yml"],
)
def test_what_is_shipped_is_valid(command):
    done = tool(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.services
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(path):
    done = tool("promtool", "test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.services
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("journal.yml", "seconds > 300", "seconds > 3000"),
        ("journal.yml", "seconds > 300", "seconds > 200"),
        ("monitor.yml", "> 1800", "> 1600"),
        ("availability.yml", "rate5m > 14.4", "rate5m >= 0 * 14.4"),
    ],
)
def test_the_cases_notice_a_rule_that_is_wrong(tmp_path, name, right, wrong):
    shutil.copytree(DEPLOY, tmp_path / "copy")
    rule = tmp_path / "copy/rules" / name
    assert right in rule.read_text()
    rule.write_text(rule.read_text().replace(right, wrong))
    assert tool("promtool", "test", "rules", str(tmp_path / "copy/tests" / name)).returncode == 1


def expectations() -> list[tuple[set[str], str]]:
    """Of each expectation: the alerts that it is about (empty: all of its file), and those that it wants to fire."""
    found = []
    for path in CASES:
        content = yaml.safe_load(path.read_text())
        names = {rule["alert"] for file in content["rule_files"] for rule in rules()[Path(file).name] if "alert" in rule}
        for case in content["tests"]:
            for one in case.get("alert_rule_test", []):
                found.append(({one["alertname"]}, one["alertname"] if one["exp_alerts"] else ""))
            for one in case.get("promql_expr_test", []):
                if not one["expr"].startswith("ALERTS"):
                    continue
                about = {name for said in NAMED.findall(one["expr"]) for name in said.split("|")} or names
                fires = [NAMED.search(sample["labels"])[1] for sample in one["exp_samples"]]
                found += [(about, name) for name in fires] or [(about, "")]
    return found


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    fired = {name for _, name in expectations() if name}
    silent = {name for about, name in expectations() if not name for name in about}
    assert fired == set(alerts()) and silent >= set(alerts())


def test_alerts_have_severity_owner_next_step_and_a_place_in_the_runbook():
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/alerts.md").read_text(), flags=re.M)
    assert Counter(headings) == Counter(alerts().keys())
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("page", "warning") and rule["labels"]["owner"] in (
            "server",
            "model",
            "feed",
            "callers",
        )
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"
        assert len(rule["annotations"]["next_step"]) > 15 and rule["annotations"]["summary"]


def test_rules_and_panels_ask_for_metrics_that_there_are():
    recorded = {rule["record"] for found in rules().values() for rule in found if "record" in rule}
    expressions = [rule["expr"] for found in rules().values() for rule in found] + panel_expressions()
    unknown = {name for expr in expressions for name in NAME.findall(expr)} - known_families()
    assert unknown == set()
    asked = {name for expr in expressions for name in re.findall(r"\badclick:[\w:]+", expr)}
    assert asked <= recorded


def test_the_monitor_says_what_it_says_to_prometheus_in_the_documents():
    from tests.alerts.known_families import own_families

    text = (ROOT / "docs/operations.md").read_text() + (ROOT / "docs/alerts.md").read_text()
    monitored = {name for name in own_families() if "_monitor_" in name or "_feedback_" in name}
    assert {name for name in monitored if name not in text} == set()
