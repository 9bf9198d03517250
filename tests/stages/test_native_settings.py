"""`native.txt` tells the backend in C what `request.json` tells the Python models."""

import onnx
import pytest
from onnx import TensorProto, helper
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contracts.dataset.columns import Column
from contracts.serving.request import column_rules
from stages.exporting.native import native_settings

LIMITS = {"max_request_bytes": 5000, "max_string_bytes": 100}


def graph(*inputs: str) -> onnx.ModelProto:
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        for names in (inputs, ("p_click", "cat_idx"))
    ]
    model = helper.make_model(helper.make_graph([], "packed", *values))
    helper.set_model_props(model, {"separator": "\x1e"})
    return model


def lines(
    categorical: list[Column], numeric: list[Column], model: onnx.ModelProto, unused: tuple[str, ...] = (), **more: str | None
) -> list[str]:
    used = [column for column in (*categorical, *numeric) if column.name not in unused]
    settings = {
        "declaration": "abc",
        "categorical": [column_rules(c, c in used, used.index(c) if c in used else None) for c in categorical],
        "numeric": [column_rules(c, c in used, None) for c in numeric],
        "fields": [column.name for column in used],
        "limits": LIMITS,
        "ort_threads": 1,
        "max_queue_size": 256,
        "metrics_interval_s": 0.5,
    } | more
    config = ModelConfig(max_batch_size=64)
    config.model_warmup.add(name="row x 1", batch_size=1)
    return native_settings(settings, model, config).decode().splitlines()


def column(name: str, dtype: str = "string", **rules) -> Column:
    role = "numeric" if dtype == "float" else "categorical"
    return Column(name=name, role=role, dtype=dtype, **rules)


def test_strings_have_marks_rules_and_texts_that_mean_missing():
    categorical = [
        column("site", max_length=12, nullable=True, missing=("NA", "-")),
        column("hour", "int", missing=(-1,)),
        column("long", max_length=9999),
        column("unused", max_length=3, missing=("?",)),
    ]
    found = lines(categorical, [], graph("text"), unused=("unused",))
    assert [line for line in found if line.startswith("string ")] == [
        "string 1e1e2121 0 12",
        "string 1e1e2122 1 100",
        "string 1e1e2123 1 100",
        "string 1e1e2124 0 100",
    ]
    assert [line for line in found if line.startswith(("missing ", "read "))] == ["missing 0 4e41", "missing 0 2d", "read 1"]


def test_numbers_have_bounds_and_markers_that_float32_holds():
    numeric = [column("age", "float", min=0, max=120, nullable=True, missing=(999, -99.9, "x", 1e300, float("nan")))]
    found = lines([], numeric, graph("numeric"))
    number, *markers = (line for line in found if line.startswith(("number ", "marker ")))
    assert [float(value) for value in number.split()[1:]] == [0, 120, 1, 0]
    assert markers == ["marker 0 999.0", "marker 0 -99.9"]


def test_the_column_that_routing_keys_are_taken_from_is_told_behind_the_columns():
    columns = [column("site", missing=("NA",)), column("user")]
    found = lines(columns, [], graph("text"), entity="user")
    assert found[found.index("entity 1") - 1].startswith("string ") and found[found.index("entity 1") + 1] == "missing 0 4e41"
    for more in ({}, {"entity": None}, {"entity": "elsewhere"}):
        assert not [line for line in lines(columns, [], graph("text"), **more) if line.startswith("entity")]


@pytest.mark.parametrize(("inputs", "told"), [(("text",), "10"), (("numeric",), "01"), (("text", "numeric"), "11")])
def test_the_graph_is_fed_what_it_takes(inputs, told):
    found = lines([column("site")], [column("age", "float")], graph(*inputs))
    assert {f"feeds_text {told[0]}", f"feeds_numeric {told[1]}"} <= set(found)


def test_more_than_the_backend_holds_is_refused():
    many = [column(f"c{i}", missing=tuple(f"m{k}" for k in range(9))) for i in range(120)]
    with pytest.raises(ValueError, match="at most 1024 columns or missing markers of a kind; set serving.repository.native to"):
        lines(many, [], graph("text"))
    with pytest.raises(ValueError, match="column 'c': a missing marker has more than 255 bytes"):
        lines([column("c", missing=("x" * 256,))], [], graph("text"))


@pytest.mark.parametrize("name", ["two\nlines", "a\0", "é" * 128])
def test_a_name_that_no_line_can_hold_is_refused(name):
    with pytest.raises(ValueError, match="`ctr` takes no name with a line break or NUL, or of more than 255 bytes; rename"):
        lines([column(name)], [], graph("text"))


def test_the_first_line_is_the_format_and_the_last_the_end():
    found = lines([column("site")], [column("age", "float", min=10**50)], graph("text", "numeric"))
    assert (found[0], found[-1]) == ("format 2", "end")
    assert "number 1e+50 3.4028234663852886e+38 0 0" in found
