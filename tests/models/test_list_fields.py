"""Columns with several values in the networks: shared vectors, pooling, attention, hiding, and the regression beside them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.models.encoded_arrays import EncodedSpec, EncodedSplit
from stages.models.id_hiding import hiding_shares
from stages.models.layers import FieldEmbedding, FieldWeight
from stages.models.list_fields import ListFields, slot_weights
from stages.models.network import NETWORKS, build_network
from stages.models.penalised_logistic import one_hot
from stages.models.pooling import TargetAttention, slot_shares
from tests.models.encoded_world import World, model_config, spec_of

TAGS = ListFields(name="tags", role="set", fields=(1, 2), pool="mean", vocabulary=None, target=None)
LAST = ListFields(name="last", role="sequence", fields=(3, 4, 5), pool="sum", vocabulary="field0", target="field0")
WORLD = World(num_ids=(6, 4, 4, 6, 6, 6, 5), num_dense=1, num_creatives=0, lists=(TAGS, LAST))
SPEC = spec_of(WORLD)
ROWS = torch.tensor([[2, 2, 3, 4, 2, 1, 0], [3, 3, 1, 1, 1, 1, 4], [5, 1, 1, 0, 1, 1, 3]])  # 1 is missing


def random_rows(num_rows: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, size, (num_rows,), generator=generator) for size in SPEC.num_ids], dim=1)


def test_slots_of_a_column_have_one_block_and_a_shared_vocabulary_none():
    assert SPEC.own_offsets == [0, 6, 6, 10, 10, 10, 16, 21]
    assert SPEC.shared_offsets == [0, 6, 6, 0, 0, 0, 10, 15]
    assert SPEC.num_vectors == 4
    assert EncodedSpec.from_json(SPEC.to_json()) == SPEC
    plain = replace(SPEC, lists=())
    assert plain.own_offsets == plain.shared_offsets == [0, 6, 10, 14, 20, 26, 32, 37]
    assert "lists" not in plain.to_json()


def test_vectors_are_pooled_by_hand():
    embedding = FieldEmbedding(SPEC, 3)
    table = embedding.table.weight
    assert embedding.names == ["field0", "field6", "tags", "last"]
    found = embedding(ROWS, torch.zeros(3, 1))
    expected = [
        [table[2], table[10], (table[6 + 2] + table[6 + 3]) / 2, table[4] + table[2]],
        [table[3], table[14], table[6 + 3], table[1]],  # nothing there: the vector of what is missing
        [table[5], table[13], table[6 + 1], table[0]],  # an unknown value is a value
    ]
    torch.testing.assert_close(found, torch.stack([torch.stack(row) for row in expected]))


def test_weights_are_a_columns_own_and_pooled_alike():
    weights = FieldWeight(SPEC)
    v = weights.weight_V
    found = weights(ROWS[:2])
    expected = [[v[2], v[16], (v[8] + v[9]) / 2, v[10 + 4] + v[10 + 2]], [v[3], v[20], v[9], v[11]]]
    torch.testing.assert_close(found, torch.stack([torch.stack(row) for row in expected]))


def test_the_regression_sees_the_same_sum():
    rows = random_rows(50)
    split = EncodedSplit(
        cat_idx_NF=rows.numpy().astype(np.int32), num_feats_NM=np.zeros((50, 1), np.float32), creative_idx_N=None,
        label_N=np.zeros(50, np.uint8),
    )  # fmt: skip
    weights = FieldWeight(SPEC)
    by_regression = one_hot(split, SPEC)[:, :-1] @ weights.weight_V.detach().numpy()
    np.testing.assert_allclose(by_regression, weights(rows).sum(dim=1).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_torch_and_numpy_weigh_slots_alike(pool):
    ids = random_rows(200)[:, 3:6] % 3
    np.testing.assert_array_equal(slot_shares(ids, pool).numpy(), slot_weights(ids.numpy(), pool))


def test_attention_weighs_values_by_what_is_shown():
    torch.manual_seed(1)
    attention = TargetAttention(2, [3])
    ids, emb, shown = torch.tensor([[4, 1, 2], [1, 1, 1]]), torch.randn(2, 3, 2), torch.randn(2, 2)
    found = attention(ids, emb, shown)
    for row, there in enumerate(([0, 2], [0])):
        q = shown[row]
        expected = sum(attention.unit(torch.cat([q, k, q - k, q * k])) * k for k in emb[row, there])
        torch.testing.assert_close(found[row, 0], expected)


def test_order_of_a_set_and_empty_slots_change_nothing():
    torch.manual_seed(2)
    for name in NETWORKS:
        network = build_network(model_config(name), SPEC).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(0, 0.5)
            rows = random_rows(40)
            turned = rows[:, [0, 2, 1, 3, 4, 5, 6]]
            moved = rows.clone()
            moved[:, 5], rows[:, 5] = rows[:, 4], 1  # a value in slot 2 instead of slot 1
            moved[:, 4] = 1
            zeros = torch.zeros(40, 1)
            logits = network(rows, zeros, None, None)
            torch.testing.assert_close(network(moved, zeros, None, None), logits, atol=1e-5, rtol=1e-5)
            turned[:, 5] = 1
            torch.testing.assert_close(network(turned, zeros, None, None), logits, atol=1e-5, rtol=1e-5)
            assert logits.std() > 0.1


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient(name):
    torch.manual_seed(3)
    network = build_network(model_config(name, dropout=0.0) if name != "logistic" else model_config(name), SPEC)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    network(random_rows(300), torch.randn(300, 1), None, None).square().sum().backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()] == []


def test_din_without_attention_dims_or_target_is_refused():
    aimless = replace(SPEC, lists=(TAGS, replace(LAST, target=None)))
    with pytest.raises(ValueError, match="model=din compares the values of 'last' with what is shown"):
        build_network(model_config("din"), aimless)
    build_network(model_config("dcnv2"), aimless)


def test_values_of_all_slots_are_counted_for_hiding():
    rng = np.random.default_rng(4)
    ids = np.full((1000, 7), 1, dtype=np.int32)
    ids[:, [0, 6]] = 2
    ids[:300, 1], ids[300:500, 2] = 2, 2  # 500 rows with value 2, whichever slot it is in
    ids[:100, 2] = 3
    split = EncodedSplit(
        cat_idx_NF=ids, num_feats_NM=np.zeros((1000, 1), np.float32), creative_idx_N=None,
        label_N=(rng.random(1000) < 0.2).astype(np.uint8),
    )  # fmt: skip
    shares = hiding_shares(split, SPEC, 10.0).numpy()
    assert len(shares) == SPEC.own_offsets[-1]
    rate = split.label_N.mean()
    np.testing.assert_allclose(shares[6:10], [0, 0, 10 / (10 + 500 * rate), 10 / (10 + 100 * rate)], rtol=1e-5)


def test_slots_that_do_not_stand_side_by_side_are_refused():
    entry = TAGS.to_json(SPEC.field_names) | {"fields": ["field1", "field3"]}
    with pytest.raises(ValueError, match="the slots of 'tags' must stand side by side"):
        ListFields.from_json(entry, SPEC.field_names)
