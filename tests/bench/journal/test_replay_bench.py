"""`make bench-replay` on a small model: what it makes can be replayed, and what it says of that."""

import pytest

from bench.journal import replay as bench
from lifecycle.replay.release import Released
from loadtests.requests.traffic import read_traffic
from serving.releases.store import Store
from tests.serving.served_world import REPOSITORY, VENV
from tests.stages.pipeline_world import CONF


@pytest.mark.triton  # it runs in the environment of serving
@pytest.mark.parametrize("batch", [1, 16])
def test_a_made_journal_is_replayed_to_the_last_bit(exported, tmp_path, monkeypatch, batch):
    monkeypatch.chdir(exported)
    monkeypatch.setenv("PYTHONPATH", str(CONF.parent))
    monkeypatch.setattr(bench, "VENV", VENV)
    store = Store(tmp_path / "models")
    released = Released(store.folder, store.release(REPOSITORY))
    size = bench.make_journal(tmp_path / "journal", released, read_traffic(100), batch, 320)
    assert size == sum(path.stat().st_size for path in (tmp_path / "journal/segments").iterdir())
    whole = bench.replay(tmp_path / "journal", store.folder, "--share", "1")
    assert (whole.totals["rows"], whole.totals["equal"], whole.totals["batches"]) == (320, 320, 320 // batch)
    assert whole.totals["may_differ"] == {} and whole.rows_per_s == 320 / whole.seconds and 50 < whole.peak_mib < 1500
    assert bench.equal_figure("replay", [whole]).met
    with pytest.raises(ValueError, match="ended with code 1"):
        bench.replay(tmp_path / "nothing", store.folder, "--share", "1")
