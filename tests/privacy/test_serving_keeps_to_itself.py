"""The server with its models' processes, and the clients' commands: they write nothing outside the project and turn to nobody."""

import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from serving.server.ports import free_ports
from tests.privacy.projects import FONTS, copied
from tests.privacy.watched import ROOT, Watched, watch
from tests.stages.pipeline_world import rows_of, write_png

SERVING, LOAD = ((ROOT / f".venv-{name}").resolve() for name in ("serving", "load"))
LONG_S = 900.0


@pytest.fixture
def project(exported, tmp_path) -> Path:
    """A project folder with a model that has not been served yet, and ports of its own."""
    folder = copied(exported, tmp_path / "project")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    ports = zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True)
    params["serving"]["server"] |= {**dict(ports), "exit_timeout_s": 1}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def run(python: Path, project: Path, own: Path, *arguments: object, deadline_s: float = 300.0) -> Watched:
    path = {"PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin"}
    watched = watch([str(python), "-m", *map(str, arguments)], project, own, path, deadline_s)
    assert watched.code == 0, watched.said
    assert watched.strays(project, FONTS, SERVING) == []  # Triton's backends are laid out in .venv-serving
    assert watched.seen.far == frozenset()
    return watched


@pytest.mark.triton
def test_a_server_and_its_clients_keep_to_themselves(project, tmp_path):
    rows_of(2, 50).with_columns(ad=pl.col("ad").str.replace("ad1", "new")).write_csv(project / "rows.csv")
    (project / "images").mkdir()
    write_png(project / "images/new.png", (10, 200, 30))  # for the model that looks at images
    watched = run(SERVING / "bin/python", project, tmp_path / "own", "tests.privacy.served_session", "rows.csv", "images")
    assert "serve: ready" in watched.said and "serve: stopped" in watched.said and "version 1 is being served" in watched.said
    for protocol in ("grpc", "http"):
        assert len(pl.read_parquet(project / f"scores-{protocol}.parquet")) == 50
    log = (project / "models/triton.log").read_text()
    assert "creative_encoder" in log


@pytest.mark.triton
@pytest.mark.load
@pytest.mark.slow
def test_a_load_run_keeps_to_itself(project, tmp_path):
    """Two Locust processes and their master, the server that it starts, and the page about it, which is drawn."""
    run(LOAD / "bin/python", project, tmp_path / "own", "loadtests.run", "smoke", "users=2", "seconds=6", "processes=2",
        "thresholds.rows_per_s=1", "thresholds.p99_ms=30000", deadline_s=LONG_S)  # fmt: skip
    assert (project / "reports/load.html").is_file()


@pytest.mark.triton
@pytest.mark.perf_analyzer
@pytest.mark.slow
def test_measurements_of_the_served_model_keep_to_themselves(project, tmp_path):
    """perf_analyzer and a server for a trial."""
    lenient = ("max_growth_share=10", "max_p99_ratio=1000", "memory_every_s=1")
    watched = run(Path(sys.executable), project, tmp_path / "own", "bench.served.soak", "minutes=0.1", "rate=20", *lenient,
                  deadline_s=LONG_S)  # fmt: skip
    assert "answered rightly, 0 not" in watched.said and (project / "reports/soak.svg").is_file()
