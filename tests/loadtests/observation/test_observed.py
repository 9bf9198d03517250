import json

import pytest

from loadtests.observation.observed import read_observations

MACHINE = {"cores": 2, "busy_s": 0.0, "stolen_s": 0.0, "available_mib": 1000.0}


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_observations(path)


def look(at_s, metrics=None, processes=None, **machine):
    line = {
        "at_s": at_s,
        "processes_at_s": at_s,
        "machine_at_s": at_s,
        "processes": processes or {},
        "machine": {**MACHINE, **machine},
    }
    return line | ({"metrics_missing": "down"} if metrics is None else {"metrics": {"n": metrics}})


def process(cpu_s, age_s, pid=7):
    return {"pid": pid, "cpu_s": cpu_s, "age_s": age_s, "threads": 1, "rss_mib": 10.0}


def test_gains_by_hand(tmp_path):
    observed = write(
        tmp_path / "o.jsonl",
        [
            look(10.0, {"model=a,version=1": 5}),
            look(12.0, {"model=a,version=1": 9, "model=a,version=2": 3}),  # a version that was not there: began at 0
            look(13.0),
            look(16.0, {"model=a,version=1": 2, "model=a,version=2": 3}),  # version 1 fell: began anew
        ],
    )
    rows = observed.metrics.select("at_s", "version", "gain", "elapsed_s", "rate").rows()
    assert rows == [
        (10.0, "1", None, None, None),
        (12.0, "1", 4.0, 2.0, 2.0),
        (12.0, "2", 3.0, 2.0, 1.5),
        (16.0, "1", 2.0, 4.0, 0.5),
        (16.0, "2", 0.0, 4.0, 0.0),
    ]
    assert observed.missing.rows() == [(13.0, "metrics", "down")]


def test_a_series_that_was_away_begins_at_zero_when_it_is_back(tmp_path):
    series = "model=a,version=1"
    looks = [look(1.0, {series: 50, "x=y": 0}), look(2.0, {"x=y": 0}), look(3.0, {series: 60, "x=y": 0})]
    found = write(tmp_path / "o.jsonl", looks).metrics
    assert found.filter(found["labels"] == series)["gain"].to_list() == [None, 60.0]


def test_cores_by_hand(tmp_path):
    observed = write(
        tmp_path / "o.jsonl",
        [
            look(10.0, {}, {"server": [process(5.0, 100)]}, busy_s=50.0, stolen_s=1.0),
            look(12.0, {}, {"server": [process(6.0, 102), process(0.5, 1.5, pid=8)]}, busy_s=53.0, stolen_s=1.5),
            look(13.0, {}, {"server": [process(0.25, 0.5), process(9.0, 60.0, pid=9)]}, busy_s=54.0, stolen_s=1.5),
        ],
    )
    rows = observed.processes.select("at_s", "pid", "gain_s", "cores").rows()
    assert rows == [
        (10.0, 7, None, None),
        (12.0, 7, 1.0, 0.5),
        (12.0, 8, 0.5, 0.25),  # born since the look before: all that it used
        (13.0, 7, 0.25, 0.25),  # the same number, another process
        (13.0, 9, None, None),  # older than the look before and only now found: nobody knows
    ]
    assert observed.machine["busy_cores"].to_list() == [None, 1.5, 1.0]
    assert observed.machine["stolen_cores"].to_list() == [None, 0.25, 0.0]


@pytest.mark.parametrize("content", [None, "", "{", '{"no": 1}\n'])
def test_a_file_without_looks_gives_empty_tables(tmp_path, content):
    path = tmp_path / "o.jsonl"
    if content is not None:
        path.write_text(content)
    observed = read_observations(path)
    for table in (observed.metrics, observed.processes, observed.machine, observed.missing):
        assert table.is_empty() and table.columns
    assert {"rate", "gain"} <= {*observed.metrics.columns} and {"cores"} <= {*observed.processes.columns}
