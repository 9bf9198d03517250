"""What `make bench-gate` makes of what the gate wrote, and the models that it is given."""

import pytest

from bench.served.gate import figures_of
from bench.served.slowed import MODELS, copy_model
from serving.triton.package import check_package
from stages.files import read_json, sha256_file


def report(passes, seconds=100.0):
    figures = {"figure": "server_cpu", "rows": 64, "growth": 0.15, "low": 0.13, "high": 0.17}
    return {
        "passes": passes,
        "wall_s": seconds,
        "checks": [{"figures": figures}, {"figures": figures | {"rows": 1, "growth": 9}}],
    }


@pytest.mark.parametrize(
    ("slowed", "equal", "seconds", "met"),
    [
        ([False, False], [True, True], 100, [None, True, True, True]),
        ([False, True], [True, False], 181, [None, False, False, False]),
    ],
)
def test_every_run_has_to_end_as_it_should(slowed, equal, seconds, met):
    found = {"slowed": [report(passes, seconds) for passes in slowed], "equal": [report(passes, seconds) for passes in equal]}
    figures = figures_of(found, layers=9, slower=None)
    assert [figure.met for figure in figures] == met
    assert figures[1].figure == f"{slowed.count(False)} of 2 runs; server CPU +15.0% to +15.0%, intervals of +-2.0% to 2.0%"


def test_copies_of_a_model_are_whole_packages_with_digests_of_their_own(exported, tmp_path):
    copy_model(exported, tmp_path / "a", "equal")
    copy_model(exported, tmp_path / "b", "slowed", layers=2)
    manifests = [tmp_path / name / "export/manifest.json" for name in ("a", "b")]
    assert len({sha256_file(path) for path in (*manifests, exported / "artifacts/export/manifest.json")}) == 3
    for name in ("a", "b"):
        for model in MODELS:
            version = tmp_path / name / "repository/embedded" / model / "1"
            check_package(version)
            assert read_json(version / "manifest.json") == read_json(tmp_path / name / "export/manifest.json")
    graphs = [sha256_file(tmp_path / name / "repository/embedded/ctr/1/ctr_packed.onnx") for name in ("a", "b")]
    assert graphs[0] != graphs[1]
