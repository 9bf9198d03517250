"""How a network learns from a batch: hidden ids and images, schedule, decay, metrics."""

import platform

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from stages.models.batches import Batch
from stages.models.ctr_module import CtrModule, decay_groups, hide_images, lr_share, step_seed
from stages.models.encoded_arrays import EncodedSplit
from stages.models.epoch_rows import epoch_rows
from stages.models.network import build_network
from stages.models.relu_dropout import ReluDropout
from stages.models.torch_setup import keep_freed_memory
from stages.models.training import fitting_batch_size, sampled_batch_size
from stages.models.val_metrics import auc, log_loss
from tests.models.encoded_world import World, model_config, spec_of, train_config


def test_a_share_of_rows_is_shown_without_image():
    torch.manual_seed(0)
    hidden = hide_images(torch.full((4000,), 7), 0.25)
    assert (hidden == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert hide_images(hidden, 0.0) is hidden


def one_step(config, hidden_share):
    world = World()
    torch.manual_seed(0)
    network = build_network(model_config("deepfm"), spec_of(world))
    images = torch.randint(0, 256, (world.num_creatives + 1, 3, 8, 8), dtype=torch.uint8)
    hiding_V = torch.full((sum(network.spec.num_ids),), hidden_share)
    module = CtrModule(network, config, images, num_steps=10, hiding_V=hiding_V)
    batch = Batch(
        cat_idx_BF=torch.full((64, 3), 5, dtype=torch.int32),
        num_feats_BM=torch.randn(64, 2),
        label_B=torch.ones(64, dtype=torch.uint8),
        distinct_U=torch.tensor([0, 4]),
        creative_pos_B=torch.ones(64, dtype=torch.int64),
    )
    module.training_step(batch, 0).backward()
    return network.ranker.embedding


def test_unknown_id_is_trained_though_no_row_has_it():
    embedding = one_step(train_config(), 0.3)
    unknown_rows = embedding.table.weight.grad[embedding.offset_F]
    assert unknown_rows.abs().sum(dim=1).gt(0).all()


def test_unknown_id_is_not_trained_when_nothing_is_hidden():
    embedding = one_step(train_config(), 0.0)
    assert embedding.table.weight.grad[embedding.offset_F].eq(0).all()


@pytest.mark.parametrize(
    ("num_rows", "expected"), [(400_000, 1024), (102_400, 1024), (102_399, 512), (28_831, 256), (150, 1), (20, 1)]
)
def test_small_data_sets_get_smaller_batches(num_rows, expected):
    assert fitting_batch_size(train_config(batch_size=1024, min_steps_per_epoch=100), num_rows, 1) == expected


def test_every_device_gets_a_row():
    assert fitting_batch_size(train_config(batch_size=1024, min_steps_per_epoch=100), 20, 2) == 2


@pytest.mark.parametrize(
    ("batch_size", "clicks", "kept", "expected"),
    [(1024, 4_400, 0.1, 512), (1024, 50, 0.01, 128), (1000, 4_400, 0.9, 1000), (1024, 4_400, 1.0, 1024), (1, 4_400, 0.1, 1)],
)
def test_sampled_rows_get_batches_between_those_of_all_rows_and_as_many_steps(batch_size, clicks, kept, expected):
    label_N = np.zeros(100_000, dtype=np.uint8)
    label_N[:clicks] = 1
    empty = np.zeros((100_000, 0))
    rows = epoch_rows(EncodedSplit(cat_idx_NF=empty, num_feats_NM=empty, creative_idx_N=None, label_N=label_N), kept, seed=1)
    assert sampled_batch_size(batch_size, rows, 1) == expected


def test_glibc_takes_the_thresholds_of_the_memory_to_keep():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_step_seeds_differ_by_seed_step_and_rank():
    seeds = {step_seed(seed, step, rank) for seed in (0, 1) for step in range(50) for rank in (0, 1)}
    assert len(seeds) == 200 and all(0 <= seed < 2**63 for seed in seeds)
    assert step_seed(0, 7, 0) == step_seed(0, 7, 0)


def test_learning_rate_climbs_to_its_peak_and_falls_along_a_cosine():
    config = train_config(warmup_frac=0.1, schedule="cosine", final_lr_frac=0.2)
    shares = [lr_share(step, 100, config) for step in range(101)]
    assert shares[0] == pytest.approx(1 / 11) and shares[10] == 1.0
    assert shares[55] == pytest.approx(0.6) and shares[100] == pytest.approx(0.2)
    assert lr_share(99, 100, train_config(warmup_frac=0.1, schedule="constant")) == 1.0


def test_embeddings_matrices_and_biases_decay_apart():
    network = build_network(model_config("deepfm"), spec_of(World()))
    groups = decay_groups(network, train_config(weight_decay=0.5, embedding_weight_decay=0.25))
    by_decay = {group["weight_decay"]: {id(p) for p in group["params"]} for group in groups}
    ranker = network.ranker
    assert by_decay[0.25] == {id(ranker.embedding.table.weight), id(ranker.first_order.id_weight.weight_V)}
    assert id(ranker.deep_out.weight) in by_decay[0.5] and id(ranker.first_order.bias) in by_decay[0.0]
    assert sum(map(len, by_decay.values())) == len(list(network.parameters()))


def test_metrics_equal_those_of_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    logit = rng.integers(-4, 4, 500).astype(np.float32)
    label = rng.integers(0, 2, 500).astype(np.uint8)
    assert auc(logit, label) == pytest.approx(roc_auc_score(label, logit), abs=1e-12)
    expected = sklearn_log_loss(label, 1 / (1 + np.exp(-logit.astype(np.float64))))
    assert log_loss(logit, label) == pytest.approx(expected, abs=1e-12)
    assert log_loss(np.array([1000.0], dtype=np.float32), np.array([0])) == 1000.0


def test_auc_of_one_class_is_undefined():
    assert np.isnan(auc(np.array([0.1, 0.2]), np.array([1, 1])))


def test_relu_dropout_keeps_the_mean_and_passes_gradients_of_what_it_kept():
    torch.manual_seed(0)
    x = torch.randn(101, 999, requires_grad=True)  # a size that is no multiple of 8
    y = ReluDropout(0.25)(x)
    y.sum().backward()
    positive = x.detach() > 0
    kept = y.detach() > 0
    assert not (kept & ~positive).any()
    assert kept[positive].float().mean().item() == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(y.detach()[kept], x.detach()[kept] / 0.75)
    torch.testing.assert_close(x.grad, kept.float() / 0.75)


def test_relu_dropout_is_plain_relu_outside_training():
    layer, x = ReluDropout(0.5).eval(), torch.randn(4, 5)
    assert torch.equal(layer(x), torch.relu(x))
