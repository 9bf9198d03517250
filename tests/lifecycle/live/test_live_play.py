"""A month played: what is shown and clicked, events that come late, twice or never, and kills at any moment."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lifecycle.live import ledger, play
from lifecycle.live.months import DAY_MS, fault_since_ms, instant
from lifecycle.live.recover import answers_by_key, is_settled
from tests.lifecycle.live.live_world import MONTH, PAGES, JournallingModel, K, Killed, a_play, moved_clock, p_of, played

START_MS = 1_785_542_400_000  # 2026-08-01


@pytest.fixture
def clock(monkeypatch, project):
    return moved_clock(monkeypatch)


def lines(folder: Path) -> list[dict[str, Any]]:
    """All events, file by file; each with the day of its file."""
    files = sorted((folder / "feedback").glob("*.jsonl"))
    return [json.loads(line) | {"file": path.stem} for path in files for line in path.read_text().splitlines()]


def ledger_of(folder: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted((folder / "played").glob("*.parquet"))])


def month_of(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "months" / MONTH / "impressions.csv")


def test_every_row_is_shown_and_clicked_as_the_world_has_it(tmp_path, clock):
    one = a_play(tmp_path)
    played(one, model := JournallingModel(one.journal), in_flight=3)
    rows, pages = ledger_of(one.folder), one.pages[MONTH].rows
    assert len(rows) == PAGES * K and rows["shown"].all() and len(model.asked) == PAGES
    clicked = dict(zip(rows["key"], rows["clicked"], strict=True))
    assert clicked == dict(zip(pages["key"], pages["luck"] < pages["p_true"], strict=True))
    assert np.array_equal(rows["probability"], np.array([p_of(key) for key in rows["key"]], np.float32))
    written = month_of(one.folder)
    assert written.columns[-1] == "clicked" and written["clicked"].sum() == sum(clicked.values())
    assert written.drop("clicked").equals(
        pl.read_csv(pages.select(written.columns[:-1]).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S").encode())
    )
    images = {path.stem for path in (one.folder / "months" / MONTH / "creatives").iterdir()}
    assert images == {path.stem for path in (one.pages[MONTH].folder / "creatives").iterdir()} and len(images) > 20


def test_requests_say_key_time_user_and_images_of_creatives_that_the_model_does_not_know(tmp_path, clock, monkeypatch):
    one = a_play(tmp_path)
    known = one.pages[MONTH].rows["creative_id"][0]
    (tmp_path / "data/split").mkdir(parents=True)
    pl.DataFrame({"creative_id": [known]}).write_parquet(tmp_path / "data/split/train.parquet")
    monkeypatch.chdir(tmp_path)
    played(one, model := JournallingModel(one.journal))
    pages = one.pages[MONTH].rows
    assert [key for said in model.said for key in said["keys"]] == pages["key"].to_list()
    assert all(len(frame) == K and frame["page"].n_unique() == 1 for frame in model.asked)
    first = model.said[0]
    assert first["routing_key"] == pages["user_id"][0] and first["event_time"].timestamp() * 1000 == pages["at_ms"][0]
    sent = {creative for said in model.said for creative in said["images"]}
    there = {path.stem for path in (one.pages[MONTH].folder / "creatives").iterdir()}
    assert known not in sent and sent == there - {known}


def test_answers_are_settled_once_nobody_writes_to_their_segments(tmp_path, clock):
    one = a_play(tmp_path, "pages_per_month=20")
    model = JournallingModel(one.journal)
    assert is_settled(one.journal)  # a segment that was begun holds no answer
    played(one, model)
    assert not is_settled(one.journal)
    model.writer.close()
    assert is_settled(one.journal) and len(answers_by_key(one.journal, one.pages[MONTH].rows["key"])) == 20 * K


def test_the_last_days_commands_wait_until_all_answers_can_be_made_parquet(tmp_path, clock, monkeypatch):
    one = replace(a_play(tmp_path, "pages_per_month=20"), settled_within_s=60.0)
    one = replace(one, config=replace(one.config, after_day=(("sh", "-c", f"touch {tmp_path}/run-{{day}}"),)))
    model = JournallingModel(one.journal)
    ran, looked = tmp_path / f"run-{one.days[-1]}", []

    def looking(journal: Path) -> bool:
        """Is it settled; whoever writes it closes its segments only after the first look."""
        looked.append((ran.exists(), is_settled(journal)))
        if len(looked) == 1:
            model.writer.close()
        return looked[-1][1]

    monkeypatch.setattr(play, "is_settled", looking)
    played(one, model)
    assert looked == [(False, False), (False, True)] and ran.exists()


def test_a_model_that_looks_at_no_images_is_sent_none(tmp_path, clock):
    """CtrClient refuses to send it any."""
    usual = a_play(tmp_path, "pages_per_month=20")
    one = replace(usual, declaration=replace(usual.declaration, images=None))
    played(one, model := JournallingModel(one.journal))
    assert len(model.said) == 20 and not any(said["images"] for said in model.said)


def test_top1_shows_the_highest_score_of_each_page_view_and_asks_for_all(tmp_path, clock):
    one = a_play(tmp_path, "policy=top1_of_k")
    played(one, JournallingModel(one.journal))
    rows = ledger_of(one.folder)
    assert len(rows) == PAGES * K and rows["shown"].sum() == PAGES == len(month_of(one.folder))
    best = rows.sort("probability", descending=True).unique("page", keep="first")
    assert set(best["key"]) == set(rows.filter("shown")["key"]) and not rows.filter(~pl.col("shown"))["clicked"].any()
    told = {(line["prediction_id"], line["row"]) for line in lines(one.folder) if line["kind"] != "heartbeat"}
    assert told <= set(rows.filter("shown").select("prediction_id", "row").iter_rows())


def test_of_equal_scores_the_first_is_shown():
    rows = pl.DataFrame({"page": [1, 1, 2, 2], "probability": [0.5, 0.5, 0.1, 0.2], "luck": 0.0, "p_true": 1.0})
    assert ledger.with_outcome(rows, "top1_of_k")["shown"].to_list() == [True, False, False, True]


def test_events_are_passed_on_once_after_their_delay_and_some_twice_or_never(tmp_path, clock):
    one = a_play(tmp_path, "labels.never_share=0.1", "labels.twice_share=0.2", "labels.days_after=60", "labels.spread=0.8")
    played(one, JournallingModel(one.journal))
    rows, events = ledger_of(one.folder), [line for line in lines(one.folder) if line["kind"] != "heartbeat"]
    shown = [line["key"] for line in events if line["kind"] == "shown"]
    never = PAGES * K - len({*shown})
    assert 0.06 < never / (PAGES * K) < 0.14 and 0.14 < (len(shown) - len({*shown})) / len({*shown}) < 0.26
    clicks = {line["key"]: line for line in events if line["kind"] == "click"}
    assert {*clicks} == set(rows.filter("clicked")["key"]) & {*shown}
    for line in events:
        answered = int(line["prediction_id"].replace("-", "")[:12], 16)
        assert line["at_ms"] == answered + 500 if line["kind"] == "shown" else line["at_ms"] > answered + 500
        assert set(line) == {"kind", "prediction_id", "row", "key", "at_ms", "file"}
    assert all((line["at_ms"] - START_MS) // DAY_MS + 1 <= int_day(line["file"]) for line in events)
    same_day = np.mean([(line["at_ms"] - START_MS) // DAY_MS + 1 == int_day(line["file"]) for line in events])
    assert 0.7 < same_day < 0.98  # a delay of two hours in the median


def int_day(file: str) -> int:
    return int((np.datetime64(file) - np.datetime64("2026-07-31")) / np.timedelta64(1, "D"))


def test_each_day_ends_with_a_heartbeat_that_is_not_ahead_of_the_clock(tmp_path, clock, monkeypatch):
    one, passed = a_play(tmp_path), []
    real = play.json_lines

    def told(events, *more):
        passed.extend((line["at_ms"], clock.ms) for line in more)
        return real(events, *more)

    monkeypatch.setattr(play, "json_lines", told)
    played(one, JournallingModel(one.journal))
    beats = [line["at_ms"] for line in lines(one.folder) if line["kind"] == "heartbeat"]
    assert beats == [START_MS + day * DAY_MS for day in range(1, 33)] == [at for at, _ in passed]
    assert all(at <= now for at, now in passed)


def test_a_feed_that_stops_passes_nothing_on_from_then_on(tmp_path, clock):
    one = a_play(tmp_path, fault="stopped_feed")
    played(one, JournallingModel(one.journal))
    events = lines(one.folder)
    since = fault_since_ms(one.config.fault, (MONTH,))
    assert since == START_MS + 15 * DAY_MS and max(line["at_ms"] for line in events) <= since
    assert {line["file"] for line in events} == {f"{MONTH}-{day:02d}" for day in range(1, 16)}
    assert len(month_of(one.folder)) == PAGES * K  # the team's own file is whole


def test_refused_page_views_are_told_and_have_no_row(tmp_path, clock):
    one, said = a_play(tmp_path), list[str]()
    object.__setattr__(one, "say", said.append)
    bad = one.pages[MONTH].rows["user_id"][0]
    played(one, JournallingModel(one.journal, refuses=lambda row: row["user_id"] == bad))
    refused = one.pages[MONTH].rows.filter(pl.col("user_id") == bad)
    assert len(ledger_of(one.folder)) == PAGES * K - len(refused) and 0 < len(refused) < PAGES
    assert f"{MONTH}-01" in said[0] and "page views refused: column 'floor_price', row 0: breaks a rule" in said[0]


FEW = 60
FEW_PAGES = f"pages_per_month={FEW}"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a play that nobody killed."""
    with pytest.MonkeyPatch.context() as patch:
        moved_clock(patch)
        one = a_play(tmp_path_factory.mktemp("undisturbed"), FEW_PAGES)
        played(one, JournallingModel(one.journal))
    return one.folder


@pytest.mark.parametrize("at", [1, 33, FEW])
def test_killed_at_any_answer_it_goes_on_and_asks_nothing_twice(tmp_path, clock, undisturbed, at):
    """The answer that the kill lost on its way is found in the journal, by its key."""
    first = a_play(tmp_path, FEW_PAGES)
    model = JournallingModel(first.journal, dies_at=at)
    with pytest.raises(Killed):
        played(first, model)
    again = a_play(tmp_path, FEW_PAGES)
    times = again.pages[MONTH].rows["at_ms"].gather_every(K).to_list()
    assert again.next_ms() == (times[at] if at < FEW else START_MS + 30 * DAY_MS)
    other = JournallingModel(again.journal)
    played(again, other)
    keys = [key for said in (*model.said, *other.said) for key in said["keys"]]
    assert len(keys) == len({*keys}) == FEW * K
    assert_same(again.folder, undisturbed)


@pytest.mark.parametrize("left", [0, 1, 2, 46, 47, 90, 91, 92])
def test_killed_at_any_file_it_goes_on_and_passes_each_event_on_once(tmp_path, clock, monkeypatch, undisturbed, left):
    dying = a_play(tmp_path, FEW_PAGES)
    with monkeypatch.context() as patch:
        calls = 0

        def killing(path, content, synced=False, real=play.write_whole):
            nonlocal calls
            calls += 1
            if calls > left:
                raise Killed
            real(path, content, synced)

        for module in ("play", "ledger", "months_file"):
            patch.setattr(f"lifecycle.live.{module}.write_whole", killing)
        with pytest.raises(Killed):
            played(dying, JournallingModel(dying.journal))
    again = a_play(tmp_path, FEW_PAGES)
    played(again, JournallingModel(again.journal))
    assert_same(again.folder, undisturbed)


def assert_same(folder: Path, other: Path) -> None:
    """All but the answers' ids, in which there is chance."""
    rows = [ledger_of(one).drop("prediction_id") for one in (folder, other)]
    assert rows[0].equals(rows[1])
    assert month_of(folder).equals(month_of(other))
    events = [[{k: v for k, v in line.items() if k != "prediction_id"} for line in lines(one)] for one in (folder, other)]
    assert by_key(events[0]) == by_key(events[1])


def by_key(events: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(line, sort_keys=True) for line in events)


def test_the_last_answer_to_a_key_counts_also_while_its_segment_is_written(tmp_path):
    one = a_play(tmp_path)
    page = one.pages[MONTH].rows.head(K)
    models = [JournallingModel(one.journal) for _ in range(2)]
    told = [
        model.predict(page, keys=page["key"].to_list(), event_time=instant(START_MS + 1000 * second))
        for second, model in enumerate(models)
    ]
    found = answers_by_key(one.journal, page["key"][:2])
    assert found["prediction_id"].to_list() == [told[1].prediction_id[0]] * 2 and set(found["key"]) == set(page["key"][:2])
    assert found["row"].sort().to_list() == [0, 1] and found["release"].to_list() == [3, 3]
    assert answers_by_key(tmp_path / "nowhere", page["key"]).is_empty()


def test_a_server_without_a_journal_is_refused(tmp_path, clock, monkeypatch):
    one = a_play(tmp_path)
    model = JournallingModel(one.journal)
    monkeypatch.setattr("tests.lifecycle.live.live_world.write_answers", lambda *_: [""])
    with pytest.raises(ValueError, match="the server keeps no journal, by which events find their answers; start it with one"):
        played(one, model)
    assert not list((one.folder / "played").glob("*"))
