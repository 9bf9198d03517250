"""Networks against values computed by hand or by a second, slower way."""

from itertools import combinations

import pytest
import torch
from torch import nn

from stages.models.dcnv2 import CrossLayer
from stages.models.deepfm import DeepFM
from stages.models.finalmlp import BilinearFusion, FinalMLP
from stages.models.layers import FieldEmbedding
from stages.models.logistic import Logistic
from stages.models.network import build_network
from stages.models.relu_dropout import ReluDropout
from tests.models.encoded_world import NETWORK_NAMES, World, model_config, spec_of

WORLD = World(num_ids=(4, 3), num_dense=2, num_creatives=5)


def row(world: World, num_rows: int = 6, creative_dim: int = 3):
    torch.manual_seed(1)
    cat_idx = torch.stack([torch.randint(0, num_ids, (num_rows,)) for num_ids in world.num_ids], dim=1)
    return cat_idx, torch.randn(num_rows, world.num_dense), torch.randn(num_rows, creative_dim)


def test_field_embedding_gives_each_field_its_own_rows():
    embedding = FieldEmbedding(spec_of(World(num_ids=(4, 3))), 2)
    with torch.no_grad():
        embedding.table.weight.copy_(torch.arange(14.0).view(7, 2))
    got = embedding(torch.tensor([[0, 0], [3, 2]]), torch.zeros(2, 2))
    assert got.tolist() == [[[0, 1], [8, 9]], [[6, 7], [12, 13]]]


def test_field_embedding_trains_as_a_plain_lookup_does():
    torch.manual_seed(0)
    embedding, grad = FieldEmbedding(spec_of(World(num_ids=(40, 3))), 16), torch.randn(500, 2, 16)
    idx = torch.stack([torch.randint(0, 40, (500,)), torch.randint(0, 3, (500,))], dim=1)
    grads = []
    for mode in (True, True, False):  # twice: equal bits
        embedding.train(mode).zero_grad()
        out = embedding(idx, torch.zeros(500, 2))
        out.backward(grad)
        grads.append(embedding.table.weight.grad)
        assert torch.equal(out, embedding.table.weight[idx + torch.tensor([0, 40])])
    assert torch.equal(grads[0], grads[1])
    torch.testing.assert_close(grads[0], grads[2])


def test_logistic_equals_a_hand_computation():
    network = Logistic(model_config("logistic"), spec_of(WORLD), creative_dim=3)
    first = network.first_order
    with torch.no_grad():
        first.id_weight.weight_V.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3, 1.0, 2.0, 3.0]))
        first.bias.fill_(-1.0)
        first.dense_weight_M.copy_(torch.tensor([10.0, 100.0]))
        first.creative_weight_E.copy_(torch.tensor([1.0, 2.0, 4.0]))
    logit = network(torch.tensor([[2, 1]]), torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, -1.0, 0.5]]))
    assert logit.tolist() == pytest.approx([0.2 + 2.0 - 1.0 + 5.0 + 25.0 + 1.0 - 2.0 + 2.0])


def test_deepfm_pairwise_term_equals_the_double_loop_over_pairs():
    network = DeepFM(model_config("deepfm"), spec_of(WORLD), creative_dim=3)
    cat_idx, dense, creative = row(WORLD)
    emb = network.embedding(cat_idx, dense)
    for index in range(len(cat_idx)):
        vectors = [
            *emb[index],
            *(dense[index, :, None] * network.dense_vector_MD),
            network.creative_vector(creative[index]),
        ]
        expected = sum(torch.dot(one, other) for one, other in combinations(vectors, 2))
        torch.testing.assert_close(network._pairs(emb, dense, creative)[index], expected)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_logits_are_not_rounded_to_bfloat16(name):
    network = build_network(model_config(name), spec_of(WORLD))
    for module in network.modules():
        if isinstance(module, nn.Dropout | ReluDropout):
            module.p = 0.0
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    cat_idx, dense, _ = row(WORLD, 2000)
    emb, position = torch.randn(6, network.creative_dim), torch.randint(0, 6, (2000,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logit = network.train()(cat_idx, dense, emb, position)
    assert logit.dtype == torch.float32
    assert len(logit.unique()) > 1900  # 2,000 different rows; bfloat16 has a few hundred numbers there


@pytest.mark.parametrize("rank", [0, 2])
def test_cross_layer_equals_its_formula(rank):
    torch.manual_seed(0)
    layer = CrossLayer(5, rank)
    x0, x = torch.randn(3, 5), torch.randn(3, 5)
    matrix = layer.up.weight @ layer.down.weight if rank else layer.up.weight
    torch.testing.assert_close(layer(x0, x), x0 * (x @ matrix.T + layer.up.bias) + x)


def test_bilinear_fusion_equals_einsum():
    torch.manual_seed(0)
    fusion = BilinearFusion(8, 4, num_heads=2)
    x, y = torch.randn(3, 8), torch.randn(3, 4)
    heads = torch.einsum("bkx,kxy,bky->b", x.view(3, 2, 4), fusion.weight_KXY, y.view(3, 2, 2))
    expected = heads + fusion.linear1(x) + fusion.linear2(y)
    torch.testing.assert_close(fusion(x, y), expected)


def test_finalmlp_gates_leave_inputs_alone_when_their_logits_are_zero():
    network = FinalMLP(model_config("finalmlp"), spec_of(WORLD), creative_dim=3)
    torch.nn.init.zeros_(network.gate1.gate[-1].weight)
    torch.nn.init.zeros_(network.gate1.gate[-1].bias)
    inputs = torch.randn(4, 2 * 4 + 2 + 3)
    torch.testing.assert_close(network.gate1(torch.randn(4, 2, 4), inputs), inputs)


def test_finalmlp_gate_sees_only_the_fields_it_names():
    network = FinalMLP(model_config("finalmlp", gate1_fields=["field1"]), spec_of(WORLD), creative_dim=3)
    inputs, emb = torch.ones(1, 2 * 4 + 2 + 3), torch.randn(1, 2, 4)
    other_field, same_field = emb.clone(), emb.clone()
    other_field[:, 0] += 1
    same_field[:, 1] += 1
    torch.testing.assert_close(network.gate1(emb, inputs), network.gate1(other_field, inputs))
    assert not torch.allclose(network.gate1(emb, inputs), network.gate1(same_field, inputs))


def test_finalmlp_names_the_field_it_does_not_know():
    with pytest.raises(ValueError, match="model.gate1_fields names 'nonsense'.*allowed: field0, field1"):
        build_network(model_config("finalmlp", gate1_fields=["nonsense"]), spec_of(WORLD))


@pytest.mark.parametrize("name", NETWORK_NAMES)
@pytest.mark.parametrize("world", [World(), World(num_dense=0), World(num_creatives=0), World(num_dense=0, num_creatives=0)])
def test_each_row_is_scored_alone_whatever_the_data_set_has(name, world):
    torch.manual_seed(0)
    network = build_network(model_config(name), spec_of(world)).eval()
    assert network.creative_dim == (3 if world.num_creatives else 0)
    cat_idx, dense, creative = row(world, creative_dim=network.creative_dim)
    together = network.ranker(cat_idx, dense, creative)
    alone = [network.ranker(cat_idx[i : i + 1], dense[i : i + 1], creative[i : i + 1]) for i in range(6)]
    assert together.shape == (6,) and together.dtype == torch.float32
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_every_weight_of_every_network_learns(name):
    torch.manual_seed(0)
    network = build_network(model_config(name, **({"gate1_fields": ["field0"]} if name == "finalmlp" else {})), spec_of(WORLD))
    cat_idx, dense, creative = row(WORLD, num_rows=64)
    network.ranker(cat_idx, dense, creative).square().sum().backward()
    still = [key for key, weight in network.ranker.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []


def test_pixels_are_left_out_when_creative_dim_is_zero():
    network = build_network(model_config("dcnv2", creative_dim=0), spec_of(WORLD))
    assert network.creative_encoder is None and network.creative_dim == 0


def test_network_without_any_categorical_field_is_refused():
    with pytest.raises(ValueError, match="no categorical field"):
        build_network(model_config(), spec_of(World(num_ids=())))
