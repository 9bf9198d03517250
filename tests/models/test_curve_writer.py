"""Training curves of several processes: a checkpoint in the middle of a point does not change the point."""

from types import SimpleNamespace

import torch

from stages.models.curves import CurveWriter


class Ranks:
    """Two processes played one after the other: what one adds to a sum, the other has added twice."""

    def reduce(self, value: torch.Tensor, reduce_op: str) -> torch.Tensor:
        return value * 1.5


def writer_after(losses: list[float]) -> CurveWriter:
    writer = CurveWriter(every_steps=100)
    writer.on_fit_start(SimpleNamespace(strategy=Ranks(), logger=None), SimpleNamespace(device="cpu"))
    for loss in losses:
        writer.on_train_batch_end(SimpleNamespace(global_step=1), None, {"loss": torch.tensor(loss)}, None, 0)
    return writer


def test_the_killed_and_the_undisturbed_training_go_on_with_the_same_sum():
    undisturbed = writer_after([0.1, 0.7])
    state = undisturbed.state_dict()
    resumed = CurveWriter(every_steps=100)
    resumed.load_state_dict(state)
    assert resumed.num_losses == undisturbed.num_losses == 2
    assert torch.equal(resumed.loss_sum, undisturbed.loss_sum)
    torch.testing.assert_close(resumed.loss_sum, torch.tensor(1.2))  # 1.5 times 0.8


def test_a_checkpoint_right_after_a_point_holds_no_sum():
    assert CurveWriter(every_steps=100).state_dict() == {"points": [], "loss_sum": None, "num_losses": 0}
