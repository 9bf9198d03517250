"""Ids keep their rows by value: what the champion says of a row, the network that starts from it says too."""

import numpy as np
import pytest
import torch

from stages.models.encoded_arrays import EncodedSpec
from stages.models.linear_part import WithLinearPart
from stages.models.network import CtrNetwork, build_network
from stages.warm_start.inherited import FOLDER, read_inherited, write_start
from stages.warm_start.rows import FieldRows, known_values, rows_by_value
from stages.warm_start.weights import initial_weights
from tests.models.encoded_world import NETWORK_NAMES, World, model_config, spec_of
from tests.warm_start.inherited_world import NEW, OLD, ORIGIN, read_champion, spec_with, write_champion, write_encoder

MEAN = [[0, 0, 3], [1, 1, 2], [4, 2, 4], [2, 5, 3], [3, 3, 2], [0, 4, 1]]  # unknown, missing, a y, c x, new new, unknown new
SAME = [[0, 0, 3], [1, 1, 2], [2, 3, 4], [4, 2, 3], [0, 0, 2], [0, 0, 1]]  # the same by the champion's ids


def logits(network: CtrNetwork, ids: list[list[int]]) -> torch.Tensor:
    cat_idx_BF, num_feats_BM = torch.tensor(ids), torch.linspace(-1, 2, 2 * len(ids)).view(-1, 2)
    images = torch.arange(len(ids) * 3 * 8 * 8, dtype=torch.int64).remainder(251).to(torch.uint8).view(-1, 3, 8, 8)
    with torch.no_grad():
        return network(cat_idx_BF, num_feats_BM, network.creative_encoder(images), torch.arange(len(ids)))


def started(tmp_path, model: str, spec: EncodedSpec) -> CtrNetwork:
    """A fresh network with the champion's weights."""
    values = known_values(write_encoder(tmp_path / "artifacts/encoder.onnx", NEW))
    torch.manual_seed(1)
    network = build_network(model_config(model), spec)
    network.load_state_dict(initial_weights(read_champion(tmp_path), spec, values).weights)
    return network.eval()


def test_a_value_keeps_its_row_where_its_number_changes_and_a_new_one_starts_as_unknown(tmp_path):
    old, new = (known_values(write_encoder(tmp_path / f"{i}.onnx", values)) for i, values in enumerate((OLD, NEW)))
    assert old == {"field0": OLD[0], "field1": OLD[1]} and new == {"field0": NEW[0], "field1": NEW[1]}
    rows_V, told = rows_by_value(spec_with(OLD), spec_with(NEW), old, new)
    #          field0: ?  -  c  d  a   field1: ?  -  y  z  w  x   buckets
    assert rows_V.tolist() == [*(0, 1, 4, 0, 2), *(5, 6, 8, 5, 5, 7), *(9, 10, 11, 12, 13)]
    assert told == [
        FieldRows(name="field0", kept=2, new=1, gone=1),
        FieldRows(name="field1", kept=2, new=2, gone=0),
        FieldRows(name="dense1__bucket", kept=3, new=0, gone=0),
    ]


@pytest.mark.parametrize("model", NETWORK_NAMES)
def test_the_started_network_says_what_the_champion_says(tmp_path, model):
    champion = write_champion(tmp_path, model, spec_with(OLD), OLD)
    network = started(tmp_path, model, spec_with(NEW))
    expected = logits(champion, SAME)
    assert len(set(expected.tolist())) == len(SAME)
    torch.testing.assert_close(logits(network, MEAN), expected, rtol=0, atol=1e-6)
    assert not torch.allclose(logits(network, SAME), expected, atol=1e-2)  # by number it would be another model


def test_a_champions_linear_part_is_left_behind(tmp_path):
    champion = write_champion(tmp_path, "dcnv2", spec_with(OLD), OLD, linear_share=0.4)
    network = started(tmp_path, "dcnv2", spec_with(NEW))
    assert isinstance(champion.ranker, WithLinearPart) and not isinstance(network.ranker, WithLinearPart)
    champion.ranker = champion.ranker.network
    torch.testing.assert_close(logits(network, MEAN), logits(champion, SAME), rtol=0, atol=1e-6)


def test_columns_that_are_not_the_champions_are_refused(tmp_path):
    write_champion(tmp_path, "dcnv2", spec_with(OLD), OLD)
    other = spec_of(World(num_ids=(5, 6), numbers=()))
    with pytest.raises(ValueError, match=r"not as the champion reads them \(field_names differs\); run the stages `fit` and"):
        initial_weights(read_champion(tmp_path), other, {})


def test_what_inherit_left_for_scratch_is_no_champion(tmp_path):
    write_start(tmp_path / FOLDER, None)
    with pytest.raises(ValueError, match="holds no champion's weights; run the stage `inherit` first"):
        read_inherited("champion", tmp_path / FOLDER)
    with pytest.raises(ValueError, match="run the stage `inherit` first"):
        read_inherited("champion", tmp_path / "nowhere")
    assert read_inherited("scratch", tmp_path / "nowhere") is None
    write_start(tmp_path / FOLDER, ORIGIN)
    found = read_inherited("champion", tmp_path / FOLDER)
    assert found is not None and found.origin == ORIGIN


def test_an_encoder_without_values_knows_none(tmp_path):
    assert known_values(write_encoder(tmp_path / "encoder.onnx", ((), ("x",)))) == {"field0": (), "field1": ("x",)}
    rows_V, _ = rows_by_value(
        spec_with(((), ("x",))), spec_with((("n",), ())), {"field0": (), "field1": ("x",)}, {"field0": ("n",), "field1": ()}
    )
    assert np.array_equal(rows_V, [0, 1, 0, 2, 3, 5, 6, 7, 8, 9])
