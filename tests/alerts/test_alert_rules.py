"""Which findings are told, when an alert begins, is told again and ends: by reports that follow each other."""

import copy
from dataclasses import replace

import pytest
import yaml
from pydantic import ValidationError

from contracts.dataset.config_errors import ConfigError
from contracts.lifecycle.monitor import MonitorConfig
from contracts.params import read_section
from lifecycle.alerts.notify import notify, open_by_severity
from lifecycle.alerts.rules import rule_of
from tests.alerts.alert_world import MINUTE_NS, START_NS, config, found, happened, lines, report, shipped

KEY = "inputs/user_age/missing"
OTHER = {"name": "other", "areas": ["*"], "kinds": ["*"], "verdict": "warning", "severity": "info", "min_rows": 0}


def test_the_shipped_rules_say_who_is_told_of_what():
    rules = config().alerts.rules

    def told(finding):
        rule = rule_of(finding, rules)
        return None if rule is None else (rule.name, rule.severity)

    assert told(found(area="labels", kind="late")) == ("labels-late", "page")
    assert told(found(area="labels", kind="contradicting")) == ("service", "warning")
    assert told(found(area="journal", kind="lost", verdict="page")) == ("service-page", "page")
    assert told(found(verdict="page")) == ("model-page", "page")
    assert told(found(area="quality", kind="log_loss")) == ("model", "warning")
    assert told(found(verdict="watch")) is None and told(found(verdict="ok")) is None


def test_an_alert_says_what_was_seen_on_what_evidence_and_what_to_do(tmp_path):
    (alert,) = notify(report(found()), config(), tmp_path)
    (line,) = lines(tmp_path)
    assert [line[name] for name in ("event", "key", "severity", "owner", "rule")] == [
        "began", KEY, "warning", "whoever owns the model", "model",
    ]  # fmt: skip
    assert [line[name] for name in ("since_ns", "until_ns", "rows", "release")] == [START_NS, None, 20_000, 3]
    assert (
        line["sentence"] == "user_age: 5 % of the rows are missing"
        and line["next_step"] == "look at what the newest client sends"
    )
    assert line["evidence"]["counts"] == [1000, 19_000] and line["evidence"]["chance"] == 0.002
    assert line["evidence"]["window"]["rows"] == 20_000 and line["id"] == alert.id


def test_a_rule_may_say_the_next_step(tmp_path):
    rules = [OTHER | {"owner": "the night shift", "next_step": "call Ann"}]
    (alert,) = notify(report(found()), config(rules=rules), tmp_path)
    assert (alert.owner, alert.next_step, alert.severity) == ("the night shift", "call Ann", "info")


def test_too_little_evidence_neither_begins_nor_ends_an_alert(tmp_path):
    assert notify(report(found(rows=999)), config(), tmp_path) == []
    notify(report(found(rows=1000), minute=5), config(), tmp_path)
    for minute in (10, 20, 30, 60):
        assert notify(report(found(rows=10), minute=minute), config(), tmp_path) == []
    assert happened(tmp_path) == [("began", KEY)]


def test_the_same_finding_is_told_once_and_again_after_the_repeat_interval(tmp_path):
    minutes = [0, 5, 10, 24 * 60 - 1, 24 * 60, 24 * 60 + 5, 48 * 60]
    events = [[alert.event for alert in notify(report(found(), minute=minute), config(), tmp_path)] for minute in minutes]
    assert events == [["began"], [], [], [], ["repeated"], [], ["repeated"]]
    assert len({line["id"] for line in lines(tmp_path)}) == 1
    assert {line["since_ns"] for line in lines(tmp_path)} == {START_NS}


def test_what_grows_worse_is_told_at_once_and_what_grows_better_is_not(tmp_path):
    verdicts = ["warning", "page", "page", "warning", "page"]
    looks = [report(found(verdict=verdict), minute=5 * place) for place, verdict in enumerate(verdicts)]
    events = [[(alert.event, alert.severity) for alert in notify(look, config(), tmp_path)] for look in looks]
    assert events == [[("began", "warning")], [("worse", "page")], [], [], []]


def test_an_alert_ends_when_its_finding_has_been_gone_for_three_looks(tmp_path):
    notify(report(found()), config(), tmp_path)
    events = [[alert.event for alert in notify(report(minute=minute), config(), tmp_path)] for minute in (5, 10, 15, 20, 25)]
    assert events == [[], [], [], ["resolved"], []]
    ended = lines(tmp_path)[-1]
    assert (ended["until_ns"], ended["at_ns"]) == (START_NS + 5 * MINUTE_NS, START_NS + 20 * MINUTE_NS)
    assert ended["id"] == lines(tmp_path)[0]["id"]
    assert open_by_severity(tmp_path) == {"info": 0, "warning": 0, "page": 0}


def test_a_finding_that_comes_back_at_once_is_the_same_alert_and_later_another(tmp_path):
    for minute in (0, 10, 20, 30):  # every other look does not see it
        notify(report(found(), minute=minute), config(), tmp_path)
        notify(report(minute=minute + 5), config(), tmp_path)
    assert happened(tmp_path) == [("began", KEY)]
    notify(report(minute=60), config(), tmp_path)
    notify(report(found(), minute=65), config(), tmp_path)
    assert happened(tmp_path) == [("began", KEY), ("resolved", KEY), ("began", KEY)]
    assert lines(tmp_path)[0]["id"] != lines(tmp_path)[2]["id"]


def test_what_was_not_judged_is_not_gone(tmp_path):
    notify(report(found()), config(), tmp_path)
    for minute in (5, 60, 600):
        assert notify(report(minute=minute, areas=("machine",)), config(), tmp_path) == []
    assert [alert.event for alert in notify(report(minute=605), config(), tmp_path)] == []  # first seen to be gone
    assert [alert.event for alert in notify(report(minute=620), config(), tmp_path)] == ["resolved"]


def test_a_clock_that_jumps_back_neither_repeats_nor_ends(tmp_path):
    notify(report(found(), minute=600), config(), tmp_path)
    assert notify(report(found(), minute=0), config(), tmp_path) == []
    assert notify(report(minute=610), config(), tmp_path) == []
    assert notify(report(minute=5), config(), tmp_path) == []  # counted anew from here
    assert [alert.event for alert in notify(report(minute=20), config(), tmp_path)] == ["resolved"]


def test_of_two_findings_of_a_key_the_worse_is_told(tmp_path):
    (alert,) = notify(report(found(release=2), found(verdict="page", release=3)), config(), tmp_path)
    assert (alert.severity, alert.release) == ("page", 3)


def test_numbers_that_json_lacks_are_texts(tmp_path):
    notify(report(found(effect=float("inf"), evidence={"ratio": float("nan")})), config(), tmp_path)
    (line,) = lines(tmp_path)
    assert (line["effect"], line["evidence"]["ratio"]) == ("inf", "nan")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"alertmanager": "127.0.0.1:9093"}, "expected an address such as http://127.0.0.1:9093, got '127.0.0.1:9093'"),
        ({"rules": [OTHER | {"owner": "a", "next_step": None}] * 2}, "two rules are called 'other'"),
        ({"rules": [OTHER | {"owner": "", "next_step": None}]}, "owner"),
        ({"repeat_h": 0}, "repeat_h"),
    ],
)
def test_wrong_settings_are_refused(changed, says):
    with pytest.raises(ValidationError, match=says):
        config(**changed)


def test_alerts_of_many_keys_do_not_mix(tmp_path):
    both = [found(), found(subject="site_id", kind="unknown", verdict="page")]
    notify(report(*both), config(), tmp_path)
    notify(report(both[1], minute=5), config(), tmp_path)
    notify(report(replace(both[1], effect=0.5), minute=20), config(), tmp_path)
    assert happened(tmp_path) == [("began", "inputs/site_id/unknown"), ("began", KEY), ("resolved", KEY)]
    assert open_by_severity(tmp_path) == {"info": 0, "warning": 0, "page": 1}


def test_a_misspelt_key_of_a_rule_is_named_with_what_is_meant(tmp_path):
    params = {"monitor": copy.deepcopy(shipped())}
    params["monitor"]["alerts"]["rules"][0]["severty"] = "page"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ConfigError, match="rules.labels-late.severty is not a known key; did you mean 'severity'?"):
        read_section("monitor", MonitorConfig, tmp_path / "params.yaml")
