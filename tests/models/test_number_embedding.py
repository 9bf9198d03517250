"""What a number adds to its bucket's embedding, against numpy's interpolation and through the whole network."""

import numpy as np
import pytest
import torch

from stages.models.encoded_arrays import EncodedSpec, Number
from stages.models.layers import FieldEmbedding
from stages.models.network import build_network
from stages.models.number_embedding import NumberEmbedding
from tests.models.encoded_world import NETWORK_NAMES, World, model_config, spec_of

FIRST = Number(field=1, dense=0, knots=(-1.0, 0.0, 2.0))
SECOND = Number(field=0, dense=2, knots=(-3.0, 3.0))
WORLD = World(num_ids=(5, 6, 7), num_dense=3, num_creatives=0, numbers=(SECOND, FIRST))


def test_a_number_is_interpolated_between_the_knots_and_constant_beyond():
    embedding = NumberEmbedding([FIRST, SECOND], 2)
    torch.manual_seed(0)
    torch.nn.init.normal_(embedding.step_MKD)
    x = np.array([-9.0, -1.0, -0.25, 0.0, 0.5, 2.0, 7.0], dtype=np.float32)
    got = embedding(torch.from_numpy(np.stack([x, np.zeros_like(x), x], axis=1))).detach().numpy()
    for m, number in enumerate((FIRST, SECOND)):
        steps_KD = embedding.step_MKD[m].detach().numpy()[: len(number.knots) - 1] * embedding.scale
        heights_KD = np.concatenate([np.zeros((1, 2)), np.cumsum(steps_KD, axis=0)])
        for d in range(2):
            np.testing.assert_allclose(got[:, m, d], np.interp(x, number.knots, heights_KD[:, d]), atol=1e-6)


def test_fields_keep_their_ids_where_numbers_come_last():
    embedding = FieldEmbedding(spec_of(WORLD), 2)
    assert embedding.order == [2, 0, 1]
    with torch.no_grad():
        embedding.table.weight.copy_(torch.arange(36.0).view(18, 2))
        embedding.numbers.step_MKD[0, 0] = torch.tensor([100.0, 200.0]) / embedding.numbers.scale
    got = embedding(torch.tensor([[4, 1, 6]]), torch.tensor([[-5.0, 9.0, 0.0]]))  # half-way from -3 to 3
    assert got.tolist() == [[[34, 35], [8 + 50, 9 + 100], [12, 13]]]


def test_a_number_whose_values_are_all_equal_adds_nothing():
    spec = spec_of(World(num_ids=(5, 6), num_dense=1, num_creatives=0, numbers=(Number(field=1, dense=0, knots=(0.0,)),)))
    assert FieldEmbedding(spec, 2).numbers is None


@pytest.mark.parametrize("name", [name for name in NETWORK_NAMES if name != "logistic"])
def test_every_network_learns_what_depends_on_where_in_the_bucket_a_number_is(name):
    """Two rows alike in all ids and other numbers; the gradient tells the vectors of their bucket."""
    torch.manual_seed(0)
    network = build_network(model_config(name), spec_of(WORLD)).eval()
    step = network.ranker.embedding.numbers.step_MKD
    cat_idx, dense = torch.tensor([[3, 3, 3], [3, 3, 3]]), torch.tensor([[-0.75, 0.0, 0.0], [-0.25, 0.0, 0.0]])
    network(cat_idx, dense, None, None).sum().backward()
    assert step.grad[1, 0].abs().sum() > 0  # the bucket from -1 to 0, in which both are
    assert step.grad[1, 1].abs().sum() == 0  # the one above


def test_the_spec_says_which_field_and_column_a_number_is():
    spec = spec_of(WORLD)
    assert spec.to_json()["numbers"] == [
        {"name": "dense2", "knots": [-3.0, 3.0]},
        {"name": "dense0", "knots": [-1.0, 0.0, 2.0]},
    ]
    assert EncodedSpec.from_json(spec.to_json()) == spec
