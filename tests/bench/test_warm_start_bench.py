"""Which months a model is made of, and judged on, in each way of retraining."""

import pytest
import yaml

from bench.ablations.warm_start import MONTHS, WAYS, JudgedMonth, figures, set_start

ALL, LAST_TWO, CHAMPION_ALL, CHAMPION_LAST_TWO, REBUILT = WAYS


def windows(way) -> list[tuple[bool, int, int]]:
    """From scratch, first month, month judged on (from 1), of each model."""
    return [
        (way.begins_anew(month), MONTHS.index(way.window(month)[0]) + 1, MONTHS.index(way.window(month)[-1]) + 1)
        for month in range(len(MONTHS) - 1)
    ]


def test_each_way_looks_at_its_months_and_is_judged_on_the_next():
    assert windows(ALL) == [(True, 1, month) for month in range(2, 8)]
    assert windows(LAST_TWO) == [(True, max(month - 2, 1), month) for month in range(2, 8)]
    assert windows(CHAMPION_ALL) == [(month == 2, 1, month) for month in range(2, 8)]
    assert windows(CHAMPION_LAST_TWO) == [(month == 2, max(month - 2, 1), month) for month in range(2, 8)]
    assert windows(REBUILT) == [(True, 1, 2), (False, 1, 3), (False, 2, 4), (True, 1, 5), (False, 4, 6), (False, 5, 7)]


def test_figures_leave_out_the_model_that_all_ways_share():
    first = JudgedMonth(log_loss=9.0, auc=0.1, cpu_s=99.0)
    base = [first, *(JudgedMonth(log_loss=0.2, auc=0.7, cpu_s=10.0) for _ in MONTHS[2:])]
    other = [first, *(JudgedMonth(log_loss=loss, auc=0.6, cpu_s=5.0) for loss in (0.2, 0.2, 0.2, 0.2, 0.21))]
    rows = figures({"one": base, "other": other})
    assert rows[0].figure == "log-loss 0.20000, AUC 0.7000, processor time of training 1.00x (10 s a model)"
    expected = "log-loss 0.20200, AUC 0.6000, processor time of training 0.50x; log-loss +1.00 % (+0.00 to +5.00 in 5 models)"
    assert rows[1].figure == expected


def test_the_start_is_set_in_section_train_alone(tmp_path):
    params = {"lifecycle": {"start": "scratch"}, "train": {"start": "scratch", "seed": 0}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    set_start(tmp_path, "champion")
    changed = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert changed == params | {"train": {"start": "champion", "seed": 0}}


@pytest.mark.parametrize("way", WAYS)
def test_no_model_is_judged_on_a_month_it_was_made_of(way):
    for month in range(len(MONTHS) - 1):
        assert way.window(month)[-1] == MONTHS[month + 1] and MONTHS[month] in way.window(month)[:-1]
