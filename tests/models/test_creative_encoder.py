"""The creative tower, and that a batch's distinct creatives give what encoding every row would."""

import numpy as np
import pytest
import torch

from stages.models.batches import distinct_creatives, filled_up
from stages.models.creative_encoder import CreativeEncoder
from stages.models.network import build_network
from tests.models.encoded_world import World, model_config, spec_of


def images(num: int, size: int = 8) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (num, 3, size, size), dtype=torch.uint8)


def test_distinct_creatives_stand_once_with_no_image_first():
    distinct, position = distinct_creatives(np.array([7, 3, 7, 9, 3], dtype=np.int32), num_creatives=9)
    assert distinct.tolist() == [0, 3, 7, 9]
    assert position.tolist() == [2, 1, 2, 3, 1]


@pytest.mark.parametrize(
    ("used", "known", "length"), [(3, 9, 10), (3, 500, 32), (32, 500, 32), (33, 500, 64), (33, 40, 41), (501, 500, 501)]
)
def test_the_list_of_creatives_is_filled_up_with_no_image(used, known, length):
    filled = filled_up(np.arange(used), known)
    assert filled.tolist() == [*range(used)] + [0] * (length - used)


def test_encoding_distinct_creatives_equals_encoding_every_row():
    world = World(num_creatives=9)
    torch.manual_seed(0)
    network = build_network(model_config(), spec_of(world)).eval()
    pixels, creative_idx = images(10), np.array([7, 3, 7, 9, 3, 0], dtype=np.int32)
    cat_idx, dense = torch.zeros(6, 3, dtype=torch.int64), torch.randn(6, 2)
    distinct, position = (torch.from_numpy(array) for array in distinct_creatives(creative_idx, 9))
    got = network(cat_idx, dense, network.creative_encoder(pixels[distinct]), position)
    every_row = network.creative_encoder(pixels[torch.from_numpy(creative_idx).long()])
    torch.testing.assert_close(got, network.ranker(cat_idx, dense, every_row))


def test_creative_embedding_does_not_depend_on_the_others_in_the_batch():
    encoder, pixels = CreativeEncoder([4, 5], 3), images(6)
    torch.testing.assert_close(encoder(pixels)[2:3], encoder(pixels[2:3]))


def test_bytes_and_floats_of_the_same_pixels_give_the_same_embedding():
    encoder, pixels = CreativeEncoder([4, 5], 3), images(6)
    torch.testing.assert_close(encoder(pixels), encoder(pixels.float()))


def test_mean_colour_reaches_the_embedding_scaled_to_minus_one_and_one():
    encoder = CreativeEncoder([4], 3)
    torch.nn.init.zeros_(encoder.out.bias)
    with torch.no_grad():
        encoder.out.weight.zero_()
        encoder.out.weight[:, :3] = torch.eye(3)
    pixels = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    pixels[:, 1] = 255
    assert encoder(pixels)[0].tolist() == pytest.approx([-1.0, 1.0, -1.0])


def test_all_creatives_are_encoded_in_chunks_without_gradients(monkeypatch):
    network = build_network(model_config(), spec_of(World()))
    monkeypatch.setattr("stages.models.network.ENCODE_IMAGES", 4)
    got = network.encode_creatives(images(10))
    torch.testing.assert_close(got, network.creative_encoder(images(10)).detach())
    assert not got.requires_grad


def test_shipped_tower_costs_less_than_a_million_multiplications_an_image():
    encoder = CreativeEncoder([16, 32, 32], 16)
    count = 0

    def add(module, inputs, output):
        nonlocal count
        count += module.weight.numel() * (output[0, 0].numel() if isinstance(module, torch.nn.Conv2d) else 1)

    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(add)
    encoder(images(1, size=32))
    assert count < 1_000_000
