"""What training says where no bar can move: step, speed and time left, every so often, on stderr and in a file."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from stages.models import progress
from stages.models.progress import LINE_EVERY_S, ProgressLines, shown_time

BATCH = SimpleNamespace(label_B=np.zeros(500))
MODULE = SimpleNamespace(num_steps=400, val_metrics={"val/log_loss": 0.25, "val/auc": 0.75})


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def train(lines: ProgressLines, clock: Clock, *, first: int, last: int, world_size: int = 1, is_global_zero: bool = True) -> None:
    """Steps `first` to `last`, a tenth of a second each, then a validation."""
    trainer = SimpleNamespace(
        global_step=first - 1, world_size=world_size, is_global_zero=is_global_zero, current_epoch=0, max_epochs=4
    )
    lines.on_train_start(trainer, MODULE)
    for trainer.global_step in range(first, last + 1):
        clock.now_s += 0.1
        lines.on_train_batch_end(trainer, MODULE, None, BATCH, 0)
    lines.on_validation_end(trainer, MODULE)


def test_lines_say_step_speed_and_time_left(clock, tmp_path, capsys):
    log = tmp_path / "train.log"
    log.write_text("an earlier training\n")
    lines = ProgressLines(SimpleNamespace(last_loss=0.3), log, resumed=False, on_stderr=True)
    train(lines, clock, first=1, last=150)
    said = log.read_text().splitlines()
    step = next(int(word) for word in said[0].split() if word.isdigit())
    assert LINE_EVERY_S * 10 <= step <= LINE_EVERY_S * 10 + 1
    assert said == [
        f"step {step} of at most 400, 5,000 rows/s, at most {round((400 - step) / 10)} s left, train/loss 0.3000",
        "epoch 1 of at most 4, step 150, after 15 s: val/log_loss 0.25000, val/auc 0.75000",
    ]
    assert capsys.readouterr().err == "".join(f"train: {line}\n" for line in said)


def test_a_resumed_training_goes_on_with_its_file_and_counts_its_own_steps(clock, tmp_path, capsys):
    log = tmp_path / "train.log"
    log.write_text("before\n")
    lines = ProgressLines(SimpleNamespace(last_loss=None), log, resumed=True, on_stderr=False)
    train(lines, clock, first=201, last=310, world_size=2)
    before, said, _ = log.read_text().splitlines()
    assert before == "before" and said.startswith("step 30") and ", 10,000 rows/s, at most 10 s left" in said
    assert capsys.readouterr().err == ""


def test_one_process_of_several_speaks(clock, tmp_path, capsys):
    lines = ProgressLines(SimpleNamespace(last_loss=None), tmp_path / "train.log", resumed=True, on_stderr=True)
    train(lines, clock, first=1, last=150, is_global_zero=False)
    assert not Path(tmp_path / "train.log").exists() and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("duration_s", "shown"), [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (725, "12 min 05 s"), (11_400, "3 h 10 min")]
)
def test_times_are_short(duration_s, shown):
    assert shown_time(duration_s) == shown
