"""Layers that are faster than torch's own and must compute the same."""

import pytest
import torch
from torch import nn

from stages.models.halved_linear import HalvedLinear
from stages.models.layers import LogitLayer


def like(plain, layer):
    """`layer` with the parameters of `plain`: both must have the same."""
    layer.load_state_dict(plain.state_dict())
    return layer


class Given(nn.Sequential):
    """Modules one after the other, on what `prepared` makes of the inputs."""

    def __init__(self, prepared, *modules):
        super().__init__(*modules)
        self.prepared = prepared

    def forward(self, *inputs):
        return super().forward(self.prepared(*inputs))


def learnt(module, *inputs):
    """What `module` gives for `inputs`, and the gradients of its parameters and of the inputs."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    out = module(*inputs)
    out.square().sum().backward()
    return [out, *(parameter.grad for parameter in module.parameters()), *(x.grad for x in inputs)]


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_rows", [1, 7, 64])
@pytest.mark.parametrize("bias", [True, False])
def test_a_gradient_in_halves_is_the_gradient(num_rows, bias):
    torch.manual_seed(0)
    plain, x = nn.Linear(37, 21, bias=bias), torch.randn(num_rows, 37)
    halved = like(plain, HalvedLinear(37, 21, bias=bias))
    same(learnt(halved, x), learnt(plain, x))
    assert torch.equal(halved.eval()(x), plain(x))


def test_a_gradient_in_halves_takes_rows_that_lie_apart():
    torch.manual_seed(0)
    plain, x = nn.Linear(5, 3), torch.randn(8, 11)
    halved = like(plain, HalvedLinear(5, 3))
    same(learnt(Given(lambda x: x[:, :5], halved), x), learnt(Given(lambda x: x[:, :5], plain), x))


def test_a_frozen_input_and_bfloat16_are_taken_as_by_torch():
    torch.manual_seed(0)
    plain, x = nn.Linear(6, 4), torch.randn(8, 6)
    halved = like(plain, HalvedLinear(6, 4))
    for layer in (plain, halved):
        layer(x).square().sum().backward()
    same(halved.weight.grad, plain.weight.grad)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert halved(x).dtype == torch.bfloat16


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_logits_of_parts_are_those_of_the_parts_side_by_side(training, bias):
    torch.manual_seed(0)
    plain, parts = nn.Linear(8, 1, bias=bias), (torch.randn(16, 5), torch.randn(16, 3))
    layer = like(plain, LogitLayer(5, 3, bias=bias)).train(training)

    side_by_side = Given(lambda *parts: torch.cat(parts, dim=1), plain, nn.Flatten(0))
    same(learnt(layer, *parts), learnt(side_by_side, *parts))
