"""A model that is worse than a baseline says so; one that is not is silent."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.evaluation.bootstrap import Resampler
from stages.evaluation.shortfall import best_baseline, shortfall
from stages.evaluation.summary import summarise
from stages.reporting.verdict import beside_champion, main, verdict

NUM_ROWS = 4000


def judged(model_noise: float, rival_noise: float) -> dict:
    """What evaluate finds of a model and a LightGBM that know the log-odds but for noise."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 1, NUM_ROWS)
    label = (rng.random(NUM_ROWS) < 1 / (1 + np.exp(-odds))).astype(np.uint8)
    noisy = {name: 1 / (1 + np.exp(-odds - rng.normal(0, noise, NUM_ROWS))) for name, noise in
             (("model", model_noise), ("lightgbm", rival_noise))}  # fmt: skip
    resampler = Resampler(num_rows=NUM_ROWS, num_resamples=200, seed=0, num_threads=1)
    return summarise(label, {**noisy, "constant": np.full(NUM_ROWS, label.mean())}, None, [], resampler, 10, 0.95)


def test_a_worse_model_is_named_with_both_losses_and_what_to_try():
    found = judged(1.0, 0.1)
    loss, least = (found["models"][name]["log_loss"]["value"] for name in ("model", "lightgbm"))
    sentence = shortfall(found)
    assert sentence.startswith(
        f"THE MODEL IS WORSE THAN LIGHTGBM: log-loss {loss:.5f} against {least:.5f} on the same 4,000 test rows"
    )
    assert "features.num_buckets=96" in sentence and "dvc exp run -S" in sentence
    assert verdict({**found, "shortfall": sentence}) == f"repro: {sentence}"


@pytest.mark.parametrize("noises", [(0.1, 1.0), (0.3, 0.3)])
def test_a_better_or_an_equal_model_is_not(noises):
    found = judged(*noises)
    assert shortfall(found) is None
    assert verdict({**found, "shortfall": None}).startswith("repro: log-loss of the model 0.")


def test_the_best_baseline_is_the_one_to_beat():
    assert best_baseline(judged(0.1, 9.0)) == ("constant", "the click rate of the training rows")
    assert best_baseline({"models": {}, "differences": {}}) == (None, "")


def test_without_an_interval_nothing_is_claimed():
    found = judged(1.0, 0.1)
    found["differences"]["lightgbm"]["log_loss"] |= {"low": None, "high": None}
    assert shortfall(found) is None


def test_the_last_line_needs_an_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="evaluation.json is missing; run `make repro`"):
        main()
    Path("reports").mkdir()
    Path("reports/evaluation.json").write_text(json.dumps({**judged(0.1, 1.0), "shortfall": None}))
    main()
    assert "that of the click rate of the training rows 0.6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("passes", "champion", "line"),
    [
        (True, "abc", "repro: beside the champion passes, better: log-loss -2%; reports/comparison.html"),
        (False, "abc", "repro: beside the champion DOES NOT PASS, better: log-loss -2%; reports/comparison.html"),
        (True, None, None),
    ],
)
def test_a_line_says_how_the_model_stands_beside_the_champion(passes, champion, line):
    found = {"passes": passes, "champion": champion, "verdict": "better", "reasons": ["log-loss -2%"]}
    assert beside_champion(found) == line
