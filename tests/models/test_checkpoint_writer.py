"""When the processes of a training write a checkpoint: all of them or none, for they wait for one another there."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.models.resume import BestWeights, CheckpointWriter

STEP = "step=0000000004"


@pytest.mark.parametrize(("first_found_it", "saves"), [(False, 1), (True, 0)])
@pytest.mark.parametrize("finds_it", [False, True])
def test_the_first_process_decides_for_all(tmp_path: Path, first_found_it: bool, finds_it: bool, saves: int) -> None:
    if finds_it:
        (tmp_path / STEP).mkdir()
    saved = []
    trainer = SimpleNamespace(
        global_step=4,
        num_training_batches=10,
        is_global_zero=False,
        strategy=SimpleNamespace(broadcast=lambda found: first_found_it),
        save_checkpoint=saved.append,
    )
    writer = CheckpointWriter(tmp_path, 4, BestWeights(tmp_path), SimpleNamespace())
    writer.on_train_batch_end(trainer, None, None, None, batch_idx=3)
    assert saved == [tmp_path / STEP] * saves
