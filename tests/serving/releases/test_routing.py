"""The route of a store and its fuses: whole or not at all, on the disk before anything follows from them, one writer at once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from contracts.serving.fuse import UNREADABLE, fuse_path, shown
from contracts.serving.release_log import read
from contracts.serving.route import MOST_BYTES, Route, parse, text_of
from serving.releases.choice import choose_release, first_route
from serving.releases.configs import config_of
from serving.releases.routing import blow_fuse, fuse_of, in_words, write_route
from serving.releases.store import Store
from tests.serving.small_store import add_release, canary, opened_versions, small_store

WRITER = """
import sys
from pathlib import Path
from serving.releases.routing import write_route
from tests.serving.small_store import canary
store, number = Path(sys.argv[1]), 0
print("begun", flush=True)
while True:
    number = number % 900_000 + 1
    write_route(store, canary(share_ppm=number))
"""


@pytest.fixture
def store(tmp_path) -> Store:
    """Releases 1 to 4, of which 2 is served, 1 was before it; there is no route."""
    made = small_store(tmp_path, releases=4)
    made.activate(2)
    return made


def test_the_routes_champion_is_what_is_served_and_without_a_route_the_configs_say_it(store):
    assert (store.active(), store.route()) == (2, None)
    write_route(store.folder, Route(champion=3))
    assert (store.active(), store.configured()) == (3, 2)
    assert store.before() == 2  # the configs have yet to follow
    store.configure(store.opened())
    assert (store.configured(), store.before()) == (3, 2)


def test_a_route_is_written_whole_and_read_again(store):
    write_route(store.folder, canary(2, 3))
    assert store.route() == canary(2, 3, valid_until_ms=store.route().trial.valid_until_ms)
    assert [path.name for path in store.folder.iterdir() if path.is_file() and not path.name.startswith(".")] == ["route"]
    with pytest.raises(ValueError, match="line 5: expected 'share'"):
        write_route(store.folder, canary(2, 3, share_ppm=2_000_000))
    assert store.route().trial.share_ppm == 50_000


def test_a_broken_route_leaves_what_was_served_and_says_what_to_do(store):
    (store.folder / "route").write_text("format 1\nchampion 3\n")
    assert (store.active(), store.arms(), store.readable_route()) == (2, [2], None)
    said = r"models/route: line 3: expected 'mode ...', got ''; `make route SET=off` writes it anew, with version 2"
    with pytest.raises(ValueError, match=said):
        store.route()
    with pytest.raises(ValueError, match="line 3"):
        store.prune(1)
    (store.folder / "route").write_bytes(b"\xff" * MOST_BYTES)
    with pytest.raises(ValueError, match="models/route: 'utf-8' codec"):
        store.route()


def test_a_writer_that_is_killed_leaves_a_whole_route(store, tmp_path):
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, store.folder], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert text_of(parse((store.folder / "route").read_text())) == (store.folder / "route").read_text()
        assert store.route().trial.share_ppm > 1


def test_a_reader_never_sees_half_a_route(store):
    ended, seen = threading.Event(), set()

    def look() -> None:
        while not ended.is_set():
            seen.add(parse((store.folder / "route").read_text()).trial.share_ppm)

    write_route(store.folder, canary(share_ppm=1))
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        for share_ppm in range(1, 200):
            write_route(store.folder, canary(share_ppm=share_ppm))
        ended.set()
        assert [reader.result() for reader in readers] == [None, None]
    assert seen <= {*range(1, 200)} and len(seen) > 5


def test_of_two_that_change_a_route_at_once_one_has_to_look_again(store):
    first = Route(champion=2)
    store.replace_route(None, first)

    def change(share_ppm: int) -> bool:
        try:
            Store(store.folder).replace_route(first, canary(2, 3, share_ppm=share_ppm))
        except ValueError as error:
            assert "models/route was changed meanwhile; look at it (`make route`) and begin anew" in str(error)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        changed = list(pool.map(change, range(1, 9)))
    assert changed.count(True) == 1 and store.route().trial.share_ppm == changed.index(True) + 1


def test_a_route_names_releases_that_are_here(store):
    for route in (Route(champion=9), canary(2, 9)):
        with pytest.raises(ValueError, match=r"models has no version 9; it has \[1, 2, 3, 4\]"):
            store.replace_route(None, route)
    assert not (store.folder / "route").exists()


def test_a_renewed_route_is_the_same(store):
    store.replace_route(None, canary(2, 3))
    later = canary(2, 3, for_s=9999)
    store.replace_route(canary(2, 3), later)
    assert store.route() == later and store.route().digest == canary(2, 3).digest


def test_the_models_that_ctr_calls_are_open_in_both_arms_and_doors_in_the_champions(store):
    store.replace_route(None, canary(2, 3))
    assert (store.opened().arms, store.before()) == ([2, 3], 1)
    store.configure(store.opened())
    assert opened_versions(store) == {"ctr": [2], "ctr_by_name": [2], "ctr_careful": [1, 2, 3]}
    assert config_of(store.folder / "ctr_careful").max_batch_size == 2  # the champion's settings
    assert store.answering() == [("ctr_careful", 2), ("ctr", 2), ("ctr_by_name", 2), ("ctr_careful", 3)]


def test_a_model_that_only_the_challenger_has_is_open_too(store):
    add_release(store, 5, models=("ctr", "ctr_by_name", "ctr_careful", "ctr_graph_5"))
    store.replace_route(None, canary(2, 5))
    store.configure(store.opened())
    assert opened_versions(store)["ctr_graph_5"] == [5]
    store.restore_route(Route(champion=2))
    assert store.retired(*store.opened().all) == ["ctr_graph_5"]


def test_versions_with_other_columns_share_a_config_of_any_width_without_warm_up(store):
    wide = ({"name": "user"}, {"name": "site"}, {"name": "app", "nullable": True})
    add_release(store, 5, columns=wide)
    store.configure(store.opened())
    careful = config_of(store.folder / "ctr_careful")
    assert list(careful.input[0].dims) == [2] and len(careful.model_warmup) == 1
    store.replace_route(None, canary(2, 5))
    store.configure(store.opened())
    careful, door = config_of(store.folder / "ctr_careful"), config_of(store.folder / "ctr")
    assert list(careful.input[0].dims) == [-1] and len(careful.model_warmup) == 0
    assert list(door.input[0].dims) == [2] and len(door.model_warmup) == 1


def test_what_was_served_before_is_known_also_if_it_is_tried_again(store):
    store.replace_route(None, canary(2, 1))
    store.configure(store.opened())
    assert store.before() == 1
    store.replace_route(store.route(), Route(champion=2))
    store.configure(store.opened())
    assert store.before() == 1 and opened_versions(store)["ctr_careful"] == [1, 2]
    store.replace_route(store.route(), canary(2, 4))
    store.configure(store.opened())
    assert store.before() == 1


def test_an_old_store_that_does_not_say_what_was_before_has_it_beside(store):
    config = store.folder / "ctr/config.pbtxt"
    config.write_text(config.read_text().partition('parameters {\n  key: "before"')[0])
    assert store.before() == 1
    store.activate(4)
    config.write_text(config.read_text().replace('key: "before"', 'key: "other"'))
    assert store.before() == 2


def test_nothing_is_removed_during_a_rollout_whatever_its_fuse_and_end(store):
    route = canary(2, 3, for_s=-10)
    store.replace_route(None, route)
    blow_fuse(store.folder, route, "p99", {})
    said = r"nothing was removed: the route has release 3 beside 2 \(mode canary\), by a rollout or by hand; `make route"
    with pytest.raises(ValueError, match=said):
        store.prune(1)
    assert store.versions() == [1, 2, 3, 4]
    store.replace_route(route, Route(champion=2))
    assert store.prune(1) == [3] and store.versions() == [1, 2, 4]


def test_nothing_else_is_served_during_a_rollout(store, tmp_path):
    store.replace_route(None, canary(2, 3))
    with pytest.raises(ValueError, match="version 4 cannot be served now: the route has release 3 beside 2"):
        store.activate(4)
    assert store.active() == 2
    store.replace_route(store.route(), Route(champion=2))
    store.activate(4)
    assert (store.active(), store.route(), store.before()) == (4, Route(champion=4), 2)


def test_a_fuse_is_for_good_and_the_first_reason_stays(store):
    route = canary(2, 3)
    assert fuse_of(store.folder, route) is None
    assert blow_fuse(store.folder, route, "p99", {"p99_ms": 73})
    assert not blow_fuse(store.folder, route, "crash", {})
    found = fuse_of(store.folder, route)
    assert (found.reason, found.evidence) == ("p99", {"p99_ms": 73}) and abs(found.at_ns - time.time_ns()) < 60e9
    path = store.folder / "fuses" / f"{route.digest:016x}.json"
    assert json.loads(path.read_text())["route"] == shown(route.digest) and [*path.parent.iterdir()] == [path]
    assert fuse_of(store.folder, canary(2, 3, for_s=99)) == found  # renewed, and off
    assert fuse_of(store.folder, canary(2, 3, salt="11" * 8)) is None
    assert fuse_of(store.folder, Route(champion=2)) is None


def test_a_challenger_whose_fuse_has_blown_is_not_opened(store):
    store.replace_route(None, canary(2, 3))
    blow_fuse(store.folder, store.route(), "crash", {})
    assert (store.arms(), store.opened().challenger) == ([2], None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"reason": "p99"}', b"\xff", b'{"reason": 1, "at": "x", "evidence": 3}'])
def test_a_fuse_that_cannot_be_read_has_blown(store, content):
    route = canary(2, 3)
    path = fuse_path(store.folder, route.digest)
    path.parent.mkdir()
    path.write_bytes(content)
    assert fuse_of(store.folder, route).reason == UNREADABLE
    assert not blow_fuse(store.folder, route, "crash", {}) and path.read_bytes() == content


def test_of_many_that_blow_a_fuse_one_says_why(store):
    route, reasons = canary(2, 3), [f"reason-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        blown = list(pool.map(lambda reason: blow_fuse(store.folder, route, reason, {}), reasons))
    assert blown.count(True) == 1 and fuse_of(store.folder, route).reason == reasons[blown.index(True)]
    assert len(os.listdir(store.folder / "fuses")) == 1


def test_the_first_route_is_what_is_served_and_its_line_is_in_the_log(store):
    first_route(store)
    assert store.route() == Route(champion=2)
    (entry,), _ = read(store.folder)
    assert (entry["event"], entry["route"], entry["text"]) == ("route", shown(store.route().digest), text_of(store.route()))
    assert (entry["model"], entry["champion"]) == ("model-2", "model-2")
    store.replace_route(store.route(), canary(2, 3))
    first_route(store)
    assert store.route().trial is not None and len(read(store.folder)[0]) == 1
    empty = Store(store.folder.parent / "empty")
    first_route(empty)
    assert not empty.folder.exists()


def test_another_repository_is_not_served_during_a_rollout(store, tmp_path, monkeypatch, exported):
    monkeypatch.chdir(tmp_path)
    store.replace_route(None, canary(2, 3))
    with pytest.raises(ValueError, match="embedded cannot be served now: the route has release 3 beside 2"):
        choose_release(store, exported / "artifacts/repository/embedded")
    assert store.active() == 2 and not (store.folder / "releases.jsonl").exists()


def test_a_route_in_words():
    assert in_words(Route(champion=2)) == "champion 2, no challenger"
    said = "champion 2, challenger 3, canary 5 %, shadow 10 %, valid until 2025-11-30 00:00:00 UTC"
    assert in_words(canary(2, 3, valid_until_ms=1_764_460_800_000)) == said
    assert in_words(canary(2, 3, valid_until_ms=10**17)).endswith(f"valid until {10**17} ms since 1970")
    assert in_words(replace(canary(2, 3, share_ppm=0, valid_until_ms=0), mode="shadow")).startswith(
        "champion 2, challenger 3, shadow 10 %, valid until 1970"
    )
