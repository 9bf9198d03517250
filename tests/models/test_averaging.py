"""The average of a network's weights: what it weighs, when the network wears it, and that it survives a kill."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from stages.models.averaging import EVERY_STEPS, AveragedWeights, newest_share


def module_of(value: float) -> SimpleNamespace:
    network = nn.Linear(2, 1)
    set_to(network, value)
    return SimpleNamespace(network=network)


def set_to(network: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)


def value_of(network: nn.Module) -> float:
    values = {float(value) for parameter in network.parameters() for value in parameter.detach().flatten()}
    assert len(values) == 1
    return values.pop()


def train(averaged: AveragedWeights, module: SimpleNamespace, values: list[float], *, first: int = 1, epoch: int = 1000) -> None:
    """As many batches as there are values, `EVERY_STEPS` steps apart; each leaves the network's weights at its value."""
    for number, value in enumerate(values, first):
        set_to(module.network, value)
        trainer = SimpleNamespace(global_step=number * EVERY_STEPS, num_training_batches=epoch)
        averaged.on_train_batch_end(trainer, module, None, None, batch_idx=number * EVERY_STEPS - 1)


def averaged_after(values: list[float], frac: float) -> float:
    averaged, module = AveragedWeights(frac), module_of(0.0)
    averaged.on_fit_start(None, module)
    train(averaged, module, values)
    return value_of(averaged.average.module)


def test_with_the_whole_training_as_its_reach_it_is_the_plain_mean():
    assert averaged_after([1.0, 2.0, 6.0, 11.0], frac=1.0) == pytest.approx(5.0)


def test_the_nearer_the_reach_the_more_the_newest_weights_count():
    values = [float(value) for value in range(1, 101)]
    far, near = averaged_after(values, frac=0.5), averaged_after(values, frac=0.1)
    assert 50 < far < 75 and 85 < near < 95


@pytest.mark.parametrize("frac", [0.1, 0.3, 1.0])
def test_the_first_weights_are_forgotten_as_those_of_a_power_of_their_number(frac):
    left = 1.0
    for number in range(101, 201):
        left *= 1 - newest_share(number, frac)
    assert left == pytest.approx(0.5 ** (1 / frac), rel=0.25)  # what 100 held of all, after as many again


def test_a_reach_shorter_than_a_step_keeps_the_newest():
    assert averaged_after([1.0, 2.0, 7.0], frac=0.1) == 7.0


def test_steps_between_are_left_out_but_for_the_last_of_an_epoch():
    averaged, module = AveragedWeights(1.0), module_of(3.0)
    averaged.on_fit_start(None, module)
    for step in (1, 7):
        trainer = SimpleNamespace(global_step=step, num_training_batches=7)
        set_to(module.network, float(step))
        averaged.on_train_batch_end(trainer, module, None, None, batch_idx=step - 1)
    assert value_of(averaged.average.module) == 7.0 and int(averaged.average.n_averaged) == 1


def test_validation_sees_the_average_and_training_goes_on_with_its_own_weights():
    averaged, module = AveragedWeights(1.0), module_of(0.0)
    averaged.on_fit_start(None, module)
    train(averaged, module, [2.0, 4.0])
    averaged.on_validation_start(None, module)
    assert value_of(module.network) == 3.0
    averaged.on_validation_end(None, module)
    assert value_of(module.network) == 4.0 and value_of(averaged.average.module) == 3.0


def test_a_resumed_training_averages_on_as_if_nothing_had_happened():
    whole = averaged_after([5.0, 1.0, 3.0, 8.0], frac=0.6)
    before, module = AveragedWeights(0.6), module_of(0.0)
    before.on_fit_start(None, module)
    train(before, module, [5.0, 1.0])
    after, module = AveragedWeights(0.6), module_of(0.0)
    after.load_state_dict({name: tensor.clone() for name, tensor in before.state_dict().items()})
    after.on_fit_start(None, module)
    train(after, module, [3.0, 8.0], first=3)
    assert value_of(after.average.module) == whole
