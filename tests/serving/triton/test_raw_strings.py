"""BYTES tensors inside a model: as Triton got them, whether or not it has cut them."""

import sys

import numpy as np

from serving.triton.joined_text import cut

VALUES = [b"a", b"", "\u00e9".encode(), b"x" * 300]


def test_a_tensor_that_triton_cut_is_put_together_again(inside_triton):
    reading = inside_triton("serving.triton.packed_request")
    whole = reading.as_raw(np.array(VALUES, dtype=object).reshape(2, 2))
    assert whole.dtype == np.uint8
    assert cut(whole.tobytes()) == VALUES
    assert reading.as_raw(whole) is whole


def test_triton_may_give_what_it_takes_for_strings_a_shape(inside_triton):
    reading = inside_triton("serving.triton.packed_request")
    reading.take_raw_strings()
    utils = sys.modules["triton_python_backend_utils"]
    raw = utils.deserialize_bytes_tensor(np.frombuffer(b"\1\0\0\0a", dtype=np.uint8)).reshape([1, 1])
    assert raw.tobytes() == b"\1\0\0\0a"
