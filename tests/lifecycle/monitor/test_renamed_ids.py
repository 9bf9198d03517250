"""Creatives that are renamed are told from creatives that come and go."""

import numpy as np
import pytest

from bench.monitor.planted import creative_renamed
from bench.monitor.scenes import scene
from contracts.lifecycle.monitor import InputsConfig
from lifecycle.monitor.counts import ids as module
from lifecycle.monitor.counts.frames import IDS, IDS_UNTIL, NEW_IDS, Coded
from lifecycle.monitor.counts.ids import SeenIds, ids_of_units, seen_ids
from lifecycle.monitor.counts.plan import ColumnPlan
from lifecycle.monitor.inputs.kinds import named
from lifecycle.monitor.inputs.renamed import NEW, NewIds
from lifecycle.monitor.inputs.sentences import finding_of
from lifecycle.monitor.inputs.verdicts import hits_at
from tests.lifecycle.monitor.played import monitor_config

HOUR_ROWS, CREATIVES = 1000, 600
COLUMN = ColumnPlan(
    name="creative_id", source="creative_id", kind="categorical", role="creative", values=("a",), shares=(0.5, 0.5)
)


def config() -> InputsConfig:
    return monitor_config().inputs


def hours(number: int, seed: int = 4) -> np.ndarray:
    """Ids of each hour's rows: creatives of which some have much and most have little."""
    weight = 1 / np.arange(5, CREATIVES + 5)
    return np.random.default_rng(seed).choice(CREATIVES, (number, HOUR_ROWS), p=weight / weight.sum())


def seen(ids_UN: np.ndarray, known: int = 300) -> SeenIds:
    """Of a release that knew the creatives below `known`."""
    names, place = np.unique(ids_UN, return_inverse=True)
    unit_N = np.repeat(np.arange(len(ids_UN)), ids_UN.shape[1])
    coded = Coded(
        cell_N=np.where(ids_UN.ravel() < known, 3, 0), value_N=place.ravel() + 1, values=["", *(str(name) for name in names)]
    )
    frames = ids_of_units(COLUMN, coded, unit_N, has_vocabulary=True)
    found = seen_ids({what: part for what, part in zip((IDS, NEW_IDS, IDS_UNTIL), frames, strict=True) if len(part)}, len(ids_UN))
    assert found is not None
    return found


def of_last_hours(ids_UN: np.ndarray, last: int = 5, new_rate: float = 0.0) -> tuple[float, float, float] | None:
    rows_U = np.full(len(ids_UN), ids_UN.shape[1])
    return NewIds(seen(ids_UN), rows_U, new_rate, config()).against(len(ids_UN) - last, len(ids_UN), last / 24)


def test_nothing_new_is_nothing() -> None:
    assert of_last_hours(hours(40)) is None


def test_a_campaign_that_takes_a_third_of_the_rows_is_within_what_may_be_new() -> None:
    ids_UN = hours(40)
    rng = np.random.default_rng(1)
    launched = rng.random(ids_UN[-5:].shape) < 1 / 3
    ids_UN[-5:][launched] = 10_000 + rng.integers(60, size=launched.sum())
    found = of_last_hours(ids_UN)
    assert found is not None
    new, most, usual = found
    assert 60 <= new < most * 0.4 and 550 <= usual <= CREATIVES


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_rows_of_all_creatives_under_other_names_are_more_than_may_be_new(share: float) -> None:
    ids_UN = hours(40)
    ids_UN[-5:][np.random.default_rng(1).random(ids_UN[-5:].shape) < share] += 10_000
    found = of_last_hours(ids_UN)
    assert found is not None
    assert found[0] > found[1] * 1.4


def test_where_creatives_live_a_day_nothing_is_said() -> None:
    """By the profile on the first day, by the days before on later ones."""
    ids_UN = hours(96) + 10_000 * (np.arange(96) // 24)[:, None]
    first_day_over = ids_UN[:29]
    found = of_last_hours(first_day_over)
    assert found is not None and found[0] > found[1], "nobody knows"
    found = of_last_hours(first_day_over, new_rate=1.0)
    assert found is None or found[0] < found[1] * 1.05
    found = of_last_hours(ids_UN, last=24)
    assert found is None or found[0] < found[1]


def test_too_little_history_says_nothing() -> None:
    ids_UN = hours(14)
    ids_UN[-5:] += 10_000
    assert of_last_hours(ids_UN) is None


def test_of_many_creatives_the_same_sample_is_kept_in_all_units(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = seen(hours(6))
    monkeypatch.setattr(module, "MOST_IDS", 50)
    sample = seen(hours(6))
    assert 30 <= np.bincount(sample.unit_R).max() <= 50 < len(sample.name_I) < len(everything.name_I) / 3
    kept = everything.name_I.is_in(sample.name_I.to_list()).to_numpy()
    assert np.bincount(everything.unit_R[kept[everything.id_R]]).tolist() == np.bincount(sample.unit_R).tolist()
    assert everything.rows_R[kept[everything.id_R]].sum() == sample.rows_R.sum()


def test_a_renaming_is_named_with_ids_and_a_month_without_one_is_not() -> None:
    one = scene(5, 100_000, columns=("creative_id",))
    rows = one.month(luck=3)[:36_000]
    panel = one.counted(rows)
    every_look = np.arange(1, len(panel.hour_U) + 1)
    assert hits_at(panel, every_look, one.config) == []
    rng = np.random.default_rng(2)
    broken, column, _ = creative_renamed(rows, (np.arange(len(rows)) >= 30_000) & (rng.random(len(rows)) < 0.3), rng)
    panel = one.counted(broken)
    found = {name.hit.column: name for name in named(hits_at(panel, every_look[-1:], one.config), panel)}
    assert (found[column].kind, found[column].hit.test, found[column].hit.verdict) == ("unknown", NEW, "page")
    finding = finding_of(found[column], panel, release=1)
    assert finding.unit == "share of ids" and finding.chance is not None and 0 < finding.chance < finding.effect
    assert "ids that never came before ('" in finding.sentence
    renamed = set(broken["creative_id"][30_000:]) - set(rows["creative_id"])
    assert len(renamed & set(found[column].detail["values"])) >= 7, "of the ten that are shown, though a campaign began as well"
