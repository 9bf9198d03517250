"""Broken candidates are releases like any other, wrong in the way that was asked for and in no other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter

from contracts.lifecycle.live import DrillConfig
from contracts.local_libraries import onnx_runtime
from contracts.serving.packed_text import column_code, text_of
from contracts.serving.releases import identity, model_of
from lifecycle.live.broken.make import make_broken
from serving.triton.package import check_package
from tests.project.imports import ROOT
from tests.serving.served_world import REPOSITORY

GRAPH = "ctr/1/ctr_packed.onnx"


@pytest.fixture(scope="module")
def repository(exported) -> Path:
    return exported / REPOSITORY


def a_drill(**values) -> DrillConfig:
    usual = {"name": "one", "sentence": "it is wrong", "kind": "scaled_odds", "size": 2.0, "column": None, "values": ()}
    return DrillConfig(**{**usual, "weekday": False, **values})


@pytest.fixture(scope="module")
def rows(repository) -> pl.DataFrame:
    """Rows whose values the model knows: all of a vocabulary's, in turn."""
    settings = json.loads((repository / "ctr_careful/1/request.json").read_bytes())
    model = onnx.load(repository / GRAPH)
    node = next(node for node in model.graph.node if node.op_type == "LabelEncoder")
    keys = next(onnx.helper.get_attribute_value(one) for one in node.attribute if one.name == "keys_strings")
    columns = {}
    for place, column in enumerate(settings["categorical"]):
        code = column_code(place).encode()
        known = sorted(key[2:].decode() for key in keys if key.startswith(code) and len(key) > 2) or ["?"]
        columns[column["name"]] = [known[number % len(known)] for number in range(60)]
    numbers = {column["name"]: [float(number % 7) for number in range(60)] for column in settings["numeric"]}
    return pl.DataFrame({**columns, **numbers})


def answers(repository: Path, rows: pl.DataFrame) -> np.ndarray:
    settings = json.loads((repository / "ctr_careful/1/request.json").read_bytes())
    session = onnx_runtime().InferenceSession(str(repository / GRAPH))
    texts, numbers = ([column["name"] for column in settings[kind]] for kind in ("categorical", "numeric"))
    text = text_of(rows.select(texts).iter_rows(), session.get_modelmeta().custom_metadata_map["separator"])
    inputs = {"text": np.array([text], dtype=object), "numeric": rows.select(numbers).to_numpy().astype(np.float32)}
    inputs["creative_emb"] = np.array([settings["no_image"] or []], dtype=np.float32)
    wanted = {one.name for one in session.get_inputs()}
    return session.run(["p_click"], {name: value for name, value in inputs.items() if name in wanted})[0]


@pytest.fixture(scope="module")
def watched(repository, rows) -> str:
    """A column that the model looks at by its values, of which it knows two or more."""
    fields = {entry["name"] for entry in json.loads((repository / "ctr/1/features.json").read_bytes())["categorical"]}
    return next(name for name in rows.columns if name in fields and rows[name].dtype == pl.String and rows[name].n_unique() > 1)


def test_odds_are_as_many_times_too_high_as_was_asked_for(repository, rows, tmp_path):
    before = answers(repository, rows)
    after = answers(make_broken(repository, tmp_path / "made", a_drill(size=3.0), ()), rows)
    np.testing.assert_allclose(after / (1 - after), 3 * before / (1 - before), rtol=1e-4)


def test_only_rows_with_the_values_are_wrong(repository, rows, watched, tmp_path):
    values = sorted(rows[watched].unique())
    drill = a_drill(kind="other_ids", size=1.0, column=watched, values=(values[0],))
    wrong = answers(repository, rows) != answers(make_broken(repository, tmp_path / "made", drill, drill.values), rows)
    struck = (rows[watched] == values[0]).to_numpy()
    np.testing.assert_array_equal(wrong, struck)


def test_a_row_gets_the_same_answer_whatever_rows_are_beside_it(repository, rows, tmp_path):
    made = make_broken(repository, tmp_path / "made", a_drill(kind="other_ids", size=1.0), ())
    together = answers(made, rows)
    np.testing.assert_allclose(answers(made, rows[7:8]), together[7:8], rtol=1e-6)
    np.testing.assert_allclose(answers(made, rows[::-1])[::-1], together, rtol=1e-6)


def test_a_slow_one_gives_the_same_answers(repository, rows, tmp_path):
    made = make_broken(repository, tmp_path / "made", a_drill(kind="slow", size=50.0), ())
    np.testing.assert_array_equal(answers(made, rows), answers(repository, rows))
    assert "Loop" in {node.op_type for node in onnx.load(made / GRAPH).graph.node}


def test_the_same_drill_makes_the_same_bytes_and_another_model(repository, tmp_path):
    one, other = (make_broken(repository, tmp_path / name, a_drill(), ()) for name in ("one", "other"))
    assert identity(one, "1") == identity(other, "1") != identity(repository, "1")
    assert model_of(one) != model_of(repository)
    for folder in (one / "ctr/1", one / "ctr_careful/1"):
        check_package(folder)  # raises if a file is not as package.json says


def test_what_cannot_be_broken_is_refused_with_a_sentence(repository, watched, tmp_path):
    drill = a_drill(column=watched, values=("gramophone",))
    with pytest.raises(ValueError, match=f"knows none of the values gramophone of column '{watched}'"):
        make_broken(repository, tmp_path / "made", drill, drill.values)
    with pytest.raises(ValueError, match="does not look at column 'colour' by its values"):
        make_broken(repository, tmp_path / "made", replace(drill, column="colour"), drill.values)
    with pytest.raises(ValueError, match="nothing to break"):
        make_broken(tmp_path / "nothing", tmp_path / "made", a_drill(), ())


def test_a_drill_needs_a_column_with_values_or_the_day_of_the_week():
    both = {"column": "a", "values": ("b",), "weekday": True}
    for wrong in ({"column": "device"}, {"values": ("tv",)}, {"weekday": True}, both):
        with pytest.raises(ValueError, match="a column goes with its values"):
            a_drill(**wrong)


def test_the_drills_of_the_play_are_drills():
    drills = TypeAdapter(list[DrillConfig]).validate_python(yaml.safe_load((ROOT / "conf/live/whole.yaml").read_text())["drills"])
    assert len({drill.name for drill in drills}) == len(drills) == 5
