"""`make route`: shows who answers and changes it, a rollout at a time, behind a line of releases.jsonl."""

import fcntl
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from contracts.clock import simulated
from contracts.dataset.config_errors import ConfigError
from contracts.serving.fuse import fuse_path, shown
from contracts.serving.release_log import read
from contracts.serving.route import Route, text_of
from lifecycle.route.words import USAGE, Change, change_of, seconds_of
from serving.releases.routing import blow_fuse
from serving.releases.store import Store
from tests.lifecycle.killed_program import killed_after
from tests.stages.pipeline_world import CONF

ROOT = CONF.parent
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


def events(store: Store) -> list[tuple]:
    return [(entry["event"], entry["route"], *entry["reasons"]) for entry in read(store.folder)[0]]


def test_without_words_it_shows_and_changes_nothing(route, store):
    before = (store.folder / "route").read_bytes()
    assert route() == [f"route: champion 1, no challenger (route {shown(Route(champion=1).digest)})"]
    assert (store.folder / "route").read_bytes() == before and events(store) == []
    (store.folder / "route").unlink()
    assert route() == ["route: there is none yet: version 1 answers; `make serve` writes the first"]
    (said,) = route("", "--store", "nowhere")
    assert said == "route: nowhere/ serves nothing yet; `make serve` or `make deploy` makes the first release"


def test_a_canary_begins_with_what_the_configuration_says(route, store):
    before_ms = time.time() * 1000
    lines = route("canary 2 5", "--why", "the new ranker")
    found = store.route()
    assert (found.champion, found.mode, found.trial.challenger, found.trial.share_ppm) == (1, "canary", 2, 50_000)
    assert found.trial.shadow_ppm == 100_000 and re.fullmatch("[0-9a-f]{16}", found.trial.salt)
    assert abs(found.trial.valid_until_ms - before_ms - 3_600_000) < 60_000
    assert text_of(found).splitlines()[8:] == [
        "timeout_ms 100",
        "max_p99_ms 50",
        "max_error_share 0.02",
        "max_timeout_share 0.02",
        "max_mean_ratio 1.5",
        "min_distinct_ratio 0.2",
        "max_slowdown 3",
        "end",
    ]
    assert events(store) == [("route", shown(found.digest), "the new ranker")]
    (entry,), _ = read(store.folder)
    assert (entry["text"], entry["model"], entry["champion"]) == (text_of(found), "model-2", "model-1")
    assert lines[0].startswith("route: champion 1, challenger 2, canary 5 %, shadow 10 %, valid until ")
    assert lines[1].startswith(f"route: salt {found.trial.salt}, timeout_ms 100, max_p99_ms 50, max_error_share 0.02")
    assert re.fullmatch(r"route: challenger 2 answers 5 % of the keys for (3600|3599|3598) s more; its fuse is whole", lines[2])


def test_a_rollout_goes_from_shadow_to_canary_and_further_with_its_salt(route, store):
    route("shadow 2")
    shadow = store.route()
    assert (shadow.mode, shadow.trial.share_ppm, shadow.trial.shadow_ppm) == ("shadow", 0, 1_000_000)
    steps = [("canary 2 1", 10_000, 100_000), ("share 5", 50_000, 100_000), ("share 7.5 shadow 2", 75_000, 20_000)]
    for words, share_ppm, shadow_ppm in [*steps, ("ab 2 50 shadow 0", 500_000, 0), ("shadow 2 40", 0, 400_000)]:
        route(words)
        found = store.route()
        assert (found.trial.share_ppm, found.trial.shadow_ppm, found.trial.salt) == (share_ppm, shadow_ppm, shadow.trial.salt)
    assert len(events(store)) == 6 and len({digest for _, digest in events(store)}) == 6


def test_a_new_rollout_has_a_new_salt(route, store):
    salts = set()
    for _ in range(3):
        route("canary 2 5")
        salts.add(store.route().trial.salt)
        route("off")
        assert store.route() == Route(champion=1)
    assert len(salts) == 3


def test_a_renewal_moves_the_end_alone_and_is_no_line_of_the_log(route, store):
    route("canary 2 5", "--for", "10s")
    before = store.route()
    route("renew", "--for", "2h")
    after = store.route()
    assert after.digest == before.digest and 7_180_000 < after.trial.valid_until_ms - before.trial.valid_until_ms < 7_200_000
    assert len(events(store)) == 1


def test_a_route_that_lapsed_is_shown_and_can_be_renewed(route, store, monkeypatch):
    route("canary 2 5", "--for", "1s")
    began_ms = store.route().trial.valid_until_ms - 1000
    later = datetime.fromtimestamp(began_ms / 1000, UTC) + timedelta(days=2)
    monkeypatch.setenv("ADCLICK_CLOCK", simulated(later, 1).variable())
    lapsed = r"route: champion 1 answers everybody: the route lapsed 1727\d\d s ago; `make route SET=renew` goes on with it"
    assert re.fullmatch(lapsed, route()[2])
    assert route("renew")[2].startswith("route: challenger 2 answers 5 % of the keys for ")


def test_off_twice_is_off_once(route, store):
    route("off")
    route("canary 2 5")
    route("off", "--why", "complaints")
    route("off")
    assert [reasons for _, _, *reasons in events(store)] == [[], ["complaints"]]


def test_off_mends_a_broken_route(route, store):
    (store.folder / "route").write_text("format 1\nchampion 2\n")
    for words in ("", "renew", "canary 2 5"):
        with pytest.raises(ValueError, match="models/route: line 3: expected 'mode ...', got ''; `make route SET=off` writes it"):
            route(words)
    route("off")
    assert store.route() == Route(champion=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("canary 1 5", "release 1 is the champion; a challenger is another release"),
        ("canary 9 5", r"models has no version 9; it has \[1, 2, 3\]"),
        ("canary two 5", "expected the number of a release, got 'two'; `make releases` lists them"),
        ("canary 02 5", "expected the number of a release, got '02'"),
        ("canary 2 101", "expected a percentage from 0 to 100 with at most 4 decimals, got '101'"),
        ("canary 2 5%", "expected a percentage from 0 to 100, got '5%'"),
        ("canary 2", re.escape(f"expected {USAGE}; got 'canary 2'")),
        ("on", re.escape(f"expected {USAGE}; got 'on'")),
        ("off now", re.escape(f"expected {USAGE}; got 'off now'")),
        ("share 5", 'there is no rollout to share; begin one: make route SET="canary 13 5"'),
        ("renew", "there is no rollout to renew; begin one"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(route, store, words, said):
    with pytest.raises(ValueError, match=said):
        route(words)
    assert store.route() == Route(champion=1) and events(store) == []


@pytest.mark.parametrize("text", ["", "1", "h", "0s", "1.5h", "31d", "9999999d", "1 h"])
def test_a_time_that_is_none_is_said(route, store, text):
    with pytest.raises(ValueError, match=f"FOR: expected a time such as 90s, 10m, 1h or 2d, at most 30d, got '{text}'"):
        route("canary 2 5", "--for", text)
    assert store.route() == Route(champion=1)


def test_words_and_times():
    assert change_of(["ab", "13", "50", "shadow", "1"]) == Change(verb="ab", challenger=13, share_ppm=500_000, shadow_ppm=10_000)
    assert [seconds_of(text) for text in ("90s", "10m", "1h", "2d", "30d")] == [90, 600, 3600, 172_800, 2_592_000]


def test_one_rollout_at_a_time(route, store):
    route("canary 2 5")
    with pytest.raises(ValueError, match="a rollout of release 2 is under way; end it first: make route SET=off"):
        route("canary 3 5")
    route("shadow 2")
    with pytest.raises(ValueError, match='in mode shadow the challenger answers nobody, .*: make route SET="canary 2 5"'):
        route("share 5")


def test_a_fuse_is_shown_with_its_evidence_and_nothing_opens_it_but_a_new_rollout(route, store):
    route("canary 2 5")
    blown = store.route()
    blow_fuse(store.folder, blown, "p99", {"p99_ms": 73, "requests": 812})
    shown_line = r"route: champion 1 answers everybody: the fuse blew at \d{4}-.* UTC, p99 \(p99_ms 73, requests 812\)"
    assert re.fullmatch(shown_line, route()[2])
    for words in ("renew", "share 10"):
        with pytest.raises(ValueError, match=r"release 2 is off for good \(p99; .*\); `make route SET=off` ends its rollout"):
            route(words)
    for words in ("canary 2 10", "shadow 2"):
        with pytest.raises(
            ValueError, match=r'release 2 is off for good .*; WHY="..." begins a new rollout of it, with a new salt'
        ):
            route(words)
    with pytest.raises(ValueError, match="a rollout of release 2 is under way; end it first"):
        route("canary 3 5")
    assert store.route() == blown
    route("canary 2 5", "--why", "the disk was slow")
    assert store.route().trial.salt != blown.trial.salt and not fuse_path(store.folder, store.route().digest).exists()


def test_a_fuse_without_words_and_a_release_that_is_gone_are_shown(route, store):
    route("canary 2 5")
    path = fuse_path(store.folder, store.route().digest)
    path.parent.mkdir()
    path.touch()
    assert route()[2] == "route: champion 1 answers everybody: the fuse blew, unreadable"
    path.unlink()
    (store.folder / "ctr/2").rename(store.folder / "gone")
    assert route()[2].startswith("route: champion 1 answers everybody: release 2 is not in ")


def test_what_begins_or_grows_waits_for_a_deployment_and_what_ends_does_not(route, store):
    route("canary 2 5")
    with (store.folder / ".deploy.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for words in ("share 10", "canary 2 10", "shadow 2"):
            with pytest.raises(ValueError, match="another deployment to .*models/ is under way; wait until it has ended"):
                route(words)
        route("renew")
        route("off")
    assert store.route() == Route(champion=1)


def run_command(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lifecycle.route", *arguments]
    return subprocess.run(command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True)


def test_of_two_rollouts_at_once_one_begins(store, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        ended = [*pool.map(lambda release: run_command(tmp_path, "canary", str(release), "5"), (2, 3))]
    assert sorted(done.returncode for done in ended) == [0, 1]
    (lost,) = [done.stderr for done in ended if done.returncode == 1]
    assert lost.startswith("route: error: ") and len(lost.splitlines()) == 1
    won = store.route().trial.challenger
    assert ended[won - 2].returncode == 0 and len(events(store)) == 1


def test_killed_at_any_moment_the_route_is_whole_and_its_line_was_first(store, tmp_path):
    for left in range(40):
        command = [*killed_after(left, "lifecycle.route"), "canary", "2", "5"]
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        found = store.route()
        assert found == Route(champion=1) or events(store)[-1][:2] == ("route", shown(found.digest))
        if done.returncode == 0:
            break
        assert done.returncode == 9, done.stderr
        if found.trial is not None:
            store.replace_route(found, Route(champion=1))
    assert done.returncode == 0 and left > 5 and found.trial.challenger == 2
    assert json.loads((store.folder / "releases.jsonl").read_text().splitlines()[-1])["route"] == shown(found.digest)


def test_what_was_composed_before_there_was_routing_is_said(route, store, tmp_path):
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    del params["serving"]["routing"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ConfigError, match="section 'serving.routing' is missing in params.yaml; run `make repro` to compose it"):
        route("canary 2 5")
    assert len(route()) == 1
    params["serving"]["routing"] = {"valid_s": 0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ConfigError, match="serving.routing"):
        route("canary 2 5")
