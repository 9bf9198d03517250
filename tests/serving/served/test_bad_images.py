"""An image that cannot be looked at is refused by row, before anything large is decoded, however often it is sent."""

import pytest

from tests.serving.doors import DOORS, by_name, packed
from tests.serving.pictures import bomb, encoded, noise

pytestmark = pytest.mark.triton
ROW = 1  # of three, the one with the image
CUT = "the image is cut short or broken; send the whole file"
NONE = "no PNG or JPEG file; send the file's bytes as they are"
BROKEN = {
    "text": (b"<svg/>", NONE),
    "gif": (encoded("GIF"), NONE),
    "webp": (encoded("WEBP"), NONE),
    "magic number alone": (encoded()[:8], NONE),
    "truncated png": (noise(40)[:-1000], CUT),
    "truncated jpeg": (encoded("JPEG", size=(64, 64))[:-200], CUT),
    "header alone": (encoded()[:33], NONE),
    "flipped bit": (noise(8)[:60] + b"\xff\xff\xff\xff" + noise(8)[64:], CUT),
    "bomb": (bomb(101, 100), "the image has 101 x 100 pixels, at most 10000 in all"),
    "large bomb": (bomb(12_000, 12_000), "the image has 12000 x 12000 pixels, at most 10000 in all"),
    "bomb beyond Pillow's own limit": (bomb(60_000, 60_000), "the image has far more than the allowed 10000 pixels"),
    "bomb of 2^62 pixels": (bomb(2**31 - 1, 2**31 - 1), "the image has far more than the allowed 10000 pixels"),
    "too many bytes": (noise(60), f"{len(noise(60))} bytes, at most 8000"),
}


@pytest.mark.parametrize("door", ["grpc", "http"])
@pytest.mark.parametrize("model", ["ctr", "ctr_by_name"])
@pytest.mark.parametrize("name", BROKEN)
def test_an_image_that_cannot_be_looked_at_is_refused_by_row(strict_server, strict_rows, strict_spec, door, model, name):
    image, reason = BROKEN[name]
    build = packed if model == "ctr" else by_name
    reply = DOORS[door](strict_server, build(strict_rows[:3], strict_spec, [encoded(), image, b""]), model)
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", f"input 'creative_image', row {ROW}: {reason}")


def test_too_many_bytes_of_images_in_one_request_are_refused(strict_server, strict_rows, strict_spec):
    images = [noise(48, seed) for seed in range(3)]
    total = sum(map(len, images))
    assert max(map(len, images)) <= 8_000 and total > 20_000
    reply = DOORS["grpc"](strict_server, packed(strict_rows[:3], strict_spec, images))
    sentence = f"input 'creative_image' holds {total} bytes, at most 20000 a request; send fewer rows"
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", sentence)


@pytest.mark.parametrize("image", [encoded(), encoded("JPEG"), encoded(size=(100, 100)), encoded(size=(1, 1)), noise(48)])
def test_an_image_within_the_limits_is_answered(strict_server, strict_rows, strict_spec, image):
    reply = DOORS["grpc"](strict_server, packed(strict_rows[:3], strict_spec, [b"", image, b""]))
    assert reply.code == "OK", reply.error


def test_an_image_of_a_known_creative_has_to_be_readable_too(server, spec, exported_rows):
    known = exported_rows.filter(exported_rows["ad"] == "ad1")[:1]
    reply = DOORS["grpc"](server, packed(known, spec, [noise(40)[:-1000]]))
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", f"input 'creative_image', row 0: {CUT}")
