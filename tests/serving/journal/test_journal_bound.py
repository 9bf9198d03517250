"""A journal takes as much of the disk as it may: warned of before, and then answers go on without it, counted."""

import time

import pytest

from serving.journal.bound import GIB, bounded, bounds_of, disk_bytes
from serving.journal.pace import SHARE, Pace
from tests.lifecycle.journal.journal_world import World
from tests.serving.doors import over_grpc, packed
from tests.serving.journal.journalled import journal_config, journalling
from tests.serving.metrics import scrape, total
from tests.serving.served_world import wait_for


def fill(folder, size: int) -> None:
    (folder / "segments").mkdir(exist_ok=True)
    (folder / "segments/a.segment").write_bytes(bytes(size))


def test_it_warns_well_before_and_says_when_it_is_written_again(tmp_path, capsys):
    (bound,) = [bound for bound in bounds_of(tmp_path, journal_config(tmp_path, max_gib=1000 / GIB)) if bound.name == "full"]
    said = []
    for size in (100, 890, 900, 950, 1000, 1200, 950, 860, 920, 840, 900):
        fill(tmp_path, size)
        bound.look()
        assert (tmp_path / "full").exists() == (size >= 1000)
        said.append(capsys.readouterr().err)
    spoken = {size: text for size, text in enumerate(said) if text}
    assert [*spoken] == [2, 4, 6, 10]
    key = "(serving.journal.max_gib: segments/, served/, shadowed/, partial/)"
    assert f"of 9.31323e-07 GiB {key}: soon nothing more is written; `python -m lifecycle.journal" in spoken[2]
    assert "nothing more is written until there is room" in spoken[4] and "it is written again" in spoken[6]


def test_a_mark_that_a_killed_server_left_is_gone_and_ours_goes_with_us(tmp_path):
    (tmp_path / "full").touch()
    with bounded(tmp_path, journal_config(tmp_path)):
        assert not (tmp_path / "full").exists()
    fill(tmp_path, 2000)
    with bounded(tmp_path, journal_config(tmp_path, max_gib=1000 / GIB), look_s=0.01):
        assert (tmp_path / "full").exists()
        fill(tmp_path, 10)
        wait_for(lambda: not (tmp_path / "full").exists(), 5, "there is room")
        fill(tmp_path, 2000)
        wait_for((tmp_path / "full").exists, 5, "there is none")
    assert not (tmp_path / "full").exists()


def test_files_that_are_removed_meanwhile_count_nothing(tmp_path):
    fill(tmp_path, 100)
    (tmp_path / "segments/link").symlink_to(tmp_path / "nowhere")
    assert disk_bytes(tmp_path) == 100


def test_images_have_a_bound_and_a_mark_of_their_own(tmp_path, capsys):
    (tmp_path / "images/ab").mkdir(parents=True)
    (tmp_path / "images/ab/image").write_bytes(bytes(2000))
    with bounded(tmp_path, journal_config(tmp_path, images_max_gib=1000 / GIB), look_s=0.01):
        assert (tmp_path / "images-full").exists() and not (tmp_path / "full").exists()
        (tmp_path / "images/ab/image").unlink()
        wait_for(lambda: not (tmp_path / "images-full").exists(), 5, "there is room")
    assert "(serving.journal.images_max_gib: images/): nothing more is written" in capsys.readouterr().err


def test_looking_takes_a_small_share_of_the_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(2.0)
    assert pace.left_s == 0
    for took, left in ((0.001, 2.0), (1.0, 1 / SHARE - 1)):
        with pace:
            now[0] += took
        assert pace.left_s == pytest.approx(left)
        now[0] += left
        assert pace.left_s == 0


def test_the_writer_in_python_stops_at_the_mark_and_goes_on_without_it(tmp_path):
    world = World(tmp_path)
    world.answer(1)
    (tmp_path / "full").touch()
    wait_for(lambda: world.answer(2) and world.said, 5, "it is noticed")
    assert "its folder holds as much as it may (serving.journal.max_gib); answers go on without it" in world.said[0]
    (tmp_path / "full").unlink()
    wait_for(lambda: world.answer(2) and len(world.said) > 1, 5, "it is noticed")
    assert "is written again" in world.said[1]
    world.writer.close()


@pytest.mark.triton
def test_at_the_bound_answers_are_counted_as_lost_until_there_is_room(exported, exported_rows, spec, tmp_path):
    with journalling(tmp_path, exported / "artifacts/repository/embedded", max_gib=20_000 / GIB) as running:
        request = packed(exported_rows[:50], spec)

        def lost() -> float:
            assert over_grpc(running.server, request).code == "OK"
            return total(scrape(running.server), "adclick_journal_lost_total", what="rows")

        wait_for(lost, 30, "it is full")
        assert (running.folder / "full").exists() and disk_bytes(running.folder) >= 20_000
        for path in running.segments():
            path.unlink()
        wait_for(lambda: not (running.folder / "full").exists(), 20, "there is room")
        time.sleep(0.5)  # the backend looks five times a second
        before = len(running.rows())
        assert over_grpc(running.server, request).code == "OK" and len(running.rows()) == before + 50
