"""Who answered is kept beside the samples, exact, also by a process that was killed; a run without a challenger keeps nothing."""

from loadtests.verdicts.keyed import ROW, gather_keyed
from loadtests.verdicts.samples import Recorder, gather


def add(recorder: Recorder, moment: float, **changes) -> None:
    values = {"intended_s": moment, "sent_s": moment, "done_s": moment + 1, "key": 3, "version": 2, "right": True}
    recorder.keyed.add(**values | changes)


def test_what_several_processes_noted_is_put_together(tmp_path):
    for index in (0, 1):
        recorder = Recorder(tmp_path, f"samples-{index}", is_keyed=True)
        add(recorder, float(index), version=2**40, right=bool(index))
        recorder.close()
    target = tmp_path / "other"
    target.mkdir()
    found = gather(tmp_path, target)
    assert found.keyed.tolist() == [(0.0, 0.0, 1.0, 3, 2**40, False), (1.0, 1.0, 2.0, 3, 2**40, True)]
    assert len(found.samples) == 0 and {path.name for path in target.iterdir()} >= {"keyed-0.npy", "keyed-1.npy"}
    assert not [*tmp_path.glob("*part*")]


def test_a_row_that_a_kill_cut_short_is_left_out(tmp_path):
    recorder = Recorder(tmp_path, "samples-0", is_keyed=True)
    add(recorder, 1.0)
    add(recorder, 2.0)
    recorder.flush()
    path = tmp_path / "keyed-0.part_keyed"
    path.write_bytes(path.read_bytes()[: ROW.size + 7])
    assert gather_keyed(tmp_path, tmp_path)["intended_s"].tolist() == [1.0]


def test_a_run_that_begins_anew_forgets(tmp_path):
    recorder = Recorder(tmp_path, "samples-0", is_keyed=True)
    add(recorder, 1.0)
    recorder.restart()
    add(recorder, 2.0)
    recorder.close()
    assert gather(tmp_path).keyed["intended_s"].tolist() == [2.0]


def test_without_a_challenger_there_is_no_such_file(tmp_path):
    recorder = Recorder(tmp_path, "samples-0")
    recorder.close()
    assert recorder.keyed is None and len(gather(tmp_path).keyed) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"samples-0.json", "samples-0.npy"}
