"""What the bench of training on a share of the rows without a click makes of its runs."""

from bench.ablations.sampled import SampledRun, figures


def run(**changes) -> SampledRun:
    return SampledRun(
        **{"rows_per_s": 1000.0, "auc": 0.75, "log_loss": 0.2, "observed_over_predicted": 1.0, "stage_s": 60.0} | changes
    )


def test_speed_auc_and_ratio_are_held_against_training_on_all_rows():
    first = run(rows_per_s=5000.0, auc=0.748, stage_s=20.0)
    second = run(rows_per_s=6000.0, auc=0.749, stage_s=30.0, log_loss=0.21)
    whole, sampled = [run(), run()], [first, second]
    speed, area, ratio, stage, loss, _ = figures(whole, sampled)
    assert speed.figure == "5.5x (5.0 to 6.0 in 2 pairs)" and speed.met
    assert stage.figure == "2.5x (2.0 to 3.0 in 2 pairs)"
    assert area.figure.startswith("0.0015 ") and area.met and ratio.met
    assert loss.figure == "2.50 % (-0.00 to 5.00 in 2 runs)" or loss.figure == "2.50 % (0.00 to 5.00 in 2 runs)"


def test_what_is_worse_than_its_bar_is_said():
    speed, area, ratio, *_ = figures([run()], [run(rows_per_s=3900.0, auc=0.74, observed_over_predicted=0.97)])
    assert [speed.met, area.met, ratio.met] == [False, False, False]
