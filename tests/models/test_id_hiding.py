"""How often ids are shown as unknown: by the evidence of each, and by how much the ids of its field differ."""

import numpy as np
import pytest
import torch

from stages.models.encoded_arrays import EncodedSplit
from stages.models.id_hiding import clicks_of_a_rate, hide_ids, hiding_shares
from tests.models.encoded_world import World, spec_of


def split_of(ids_NF: np.ndarray, label_N: np.ndarray) -> EncodedSplit:
    return EncodedSplit(
        cat_idx_NF=ids_NF.astype(np.int32),
        num_feats_NM=np.zeros((len(ids_NF), 1), dtype=np.float32),
        creative_idx_N=None,
        label_N=label_N.astype(np.uint8),
    )


def shares_of(
    ids_NF: np.ndarray, label_N: np.ndarray, num_ids: tuple[int, ...], most: float = 80.0, numbers=()
) -> list[np.ndarray]:
    """Shares of each field."""
    spec = spec_of(World(num_ids=num_ids, num_dense=1, num_creatives=0))
    found = hiding_shares(split_of(ids_NF, label_N), spec, most).numpy()
    return np.split(found, np.cumsum(num_ids)[:-1])


def test_ids_that_do_not_differ_are_hidden_by_the_clicks_to_expect_of_their_rows():
    ids = np.repeat([2, 3], [400, 1200])[:, None]
    label = np.tile([1, 0, 0, 0], 400)  # a quarter of each
    (share,) = shares_of(ids, label, (5,))
    assert share.tolist() == pytest.approx([0, 0, 80 / 180, 80 / 380, 1.0])


def test_an_id_that_has_nearly_all_clicks_is_hardly_ever_hidden():
    """Half a percent of the rows with a click in five, where the others have one in 1,400."""
    rng = np.random.default_rng(0)
    app, other = np.where(rng.random(24_000) < 0.005, 0, rng.integers(1, 21, 24_000)), rng.integers(2, 8, 24_000)
    label = rng.random(24_000) < np.where(app == 0, 0.2, 0.0007)
    of_app, of_other = shares_of(np.stack([app + 2, other], axis=1), label, (23, 8))
    assert of_app[2] < 0.1
    assert of_app[3:].max() < 0.7
    assert of_other[2:].min() > 0.8  # says nothing, and has few clicks


def test_creatives_with_images_are_hidden_however_they_differ():
    """One in ten has all clicks: enough to tell it by its id, but its image has to tell it too."""
    ids = np.repeat(np.arange(2, 12), 100)[:, None].repeat(2, axis=1)
    label = np.arange(1000) < 50
    spec = spec_of(World(num_ids=(12, 12), num_dense=1, num_creatives=4, creative_field=1))
    of_other, of_creative = np.split(hiding_shares(split_of(ids, label), spec, 80.0).numpy(), [12])
    assert of_creative[2:].tolist() == pytest.approx([80 / 85] * 10)
    assert of_other[2] < 0.1


def test_nothing_is_hidden_with_a_bound_of_0():
    assert shares_of(np.full((9, 1), 2), np.arange(9) % 2, (3,), most=0.0)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("a", [0.5, 3.0, 20.0])
def test_the_clicks_of_a_rate_are_found_again(a):
    rng = np.random.default_rng(1)
    rate, rows = 0.05, rng.integers(20, 2000, 4000)
    clicks = rng.binomial(rows, rng.beta(a, a * (1 - rate) / rate, 4000))
    assert clicks_of_a_rate(rows, clicks, rate) == pytest.approx(a, rel=0.3)


def test_ids_that_differ_by_chance_alone_need_all_clicks_there_are():
    rng = np.random.default_rng(2)
    rows = np.full(300, 1000)
    assert clicks_of_a_rate(rows, rng.binomial(rows, 0.05), 0.05) > 100


def test_only_known_values_are_shown_as_unknown():
    torch.manual_seed(0)
    cat_idx = torch.tensor([[0, 1, 2, 3]], dtype=torch.int32).repeat(4000, 1)
    offsets, shares = torch.tensor([0, 4, 8, 12]), torch.tensor([0.0, 0.0, 0.25, 0.75]).repeat(4)
    hidden = hide_ids(cat_idx, shares, offsets)
    assert hidden[:, 0].eq(0).all() and hidden[:, 1].eq(1).all()
    for field, share in ((2, 0.25), (3, 0.75)):
        assert (hidden[:, field] == 0).float().mean().item() == pytest.approx(share, abs=0.03)
        assert set(hidden[:, field].tolist()) == {0, cat_idx[0, field].item()}
