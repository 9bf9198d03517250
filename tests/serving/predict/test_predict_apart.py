"""Rows that cannot be scored stand aside, whoever finds out, the contract or the server; all others are scored."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from serving.client import CtrClient, RefusedRequest, RefusedRow
from serving.predict import command as predict
from serving.predict.input import ImageFolder
from stages import score
from tests.serving.client_world import ALLOWED, PROTOCOLS, RAW, truth_of, url_of
from tests.serving.pictures import encoded

N = 200  # rows of the file
BROKEN = {  # row -> column, what stands there, the rule that it breaks
    10: ("spent", "1e39", "finite"),
    20: ("ad", "17999999999999999000", "int64"),
    30: ("visits", "1e300", "int64"),
    40: ("view", "5.5", "dtype"),
    50: ("device", "x" * 101, "max_length"),  # the server's own limit, which no contract knows
    51: ("device", "y" * 101, "max_length"),
    60: ("device", "z" * 30_000, "request_size"),
    150: ("device", "x" * 102, "max_length"),
}
BY_SERVER = (50, 51, 60, 150)


@pytest.fixture(scope="module")
def truth(strict_exported) -> dict[int, float]:
    return truth_of(strict_exported)


def broken_rows() -> pl.DataFrame:
    """The first rows of the test month as texts, some of them broken."""
    rows = RAW[:N].cast(pl.String)
    for row, (column, text, _) in BROKEN.items():
        rows[row - 1, column] = text
    return rows


def run(monkeypatch, module, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def read(path: str) -> pl.DataFrame:
    return pl.read_csv(path, schema_overrides={"value": pl.String})


@pytest.mark.triton
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_is_scored_but_for_its_broken_rows(monkeypatch, project, capfd, strict_server, truth, protocol):
    broken_rows().write_csv("rows.csv")
    arguments = ("rows.csv", "--output", "out.csv", "--protocol", protocol, "--url", url_of(strict_server, protocol))
    run(monkeypatch, predict, *arguments)
    rejected, scored = read("out.csv.quarantine.csv"), read("out.csv")
    found = {row: (column, value, rule) for row, column, rule, value, _ in rejected.iter_rows()}
    expected = {row: (column, text[:200], rule) for row, (column, text, rule) in BROKEN.items()}
    expected[60] = ("", None, "request_size")  # no one cell is to blame
    assert found == expected and rejected["row"].is_sorted()
    assert scored["row"].to_list() == [row for row in range(1, N + 1) if row not in BROKEN]
    assert np.abs(scored["p_click"].to_numpy() - [truth[RAW["id"][row - 1]] for row in scored["row"]]).max() <= ALLOWED
    assert (
        f"predict: {N} rows of rows.csv = {N - len(BROKEN)} scored to out.csv + {len(BROKEN)} in out.csv.q"
        in capfd.readouterr().err
    )


@pytest.mark.triton
def test_bulk_scoring_sets_the_same_rows_aside(monkeypatch, project, strict_server, strict_exported):
    rows, model = broken_rows(), strict_exported / "artifacts/export"
    rows.with_row_index("row", 1).filter(~pl.col("row").is_in(BY_SERVER)).drop("row").write_csv("rows.csv")
    declared = ("--declaration", model / "declaration.json")
    run(monkeypatch, predict, "rows.csv", "--output", "served.csv", *declared, "--url", strict_server.grpc_url)
    run(monkeypatch, score, "rows.csv", "scored.csv", "--model", model)
    assert read("served.csv.quarantine.csv").equals(read("scored.csv.quarantine.csv").drop("file"))
    assert read("scored.csv.quarantine.csv")["rule"].to_list() == ["finite", "int64", "int64", "dtype"]
    assert np.abs(read("served.csv")["p_click"] - read("scored.csv")["p_click"]).max() <= ALLOWED


@pytest.mark.triton
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_client_answers_all_rows_but_those_that_are_refused(strict_server, strict_rows, protocol):
    rows = pl.concat([strict_rows] * 3).with_columns(
        device=pl.when(pl.int_range(pl.len()).is_in([0, 70, 149])).then(pl.lit("x" * 101)).otherwise("device")
    )
    with CtrClient(url_of(strict_server, protocol), protocol) as client:
        right = client.predict(pl.concat([strict_rows] * 3)).probability
        found, refused = client.predict_apart(rows)
        with pytest.raises(RefusedRequest, match="breaks the rule max_length"):
            client.predict(rows)
        assert client.predict_apart(rows[:0])[1] == []
    assert [(one.row, one.column, one.rule) for one in refused] == [(row, "device", "max_length") for row in (0, 70, 149)]
    assert refused[1].sentence.startswith("column 'device', row 70: 'xxxx")
    answered = np.delete(np.arange(150), [0, 70, 149])
    assert np.abs(found.probability[answered] - right[answered]).max() <= ALLOWED
    assert np.isnan(found.probability[[0, 70, 149]]).all() and found.model_version[[0, 70, 149]].tolist() == [0, 0, 0]
    assert set(found.model_version[answered]) == {1}


@pytest.mark.parametrize(
    ("sentence", "num_rows", "expected"),
    [
        ("column 'view', row 3: '21' breaks the rule max: at most 20", 9, (3, "view", "max")),
        (
            "column 'a', row 1: 'b' breaks the rule x: y' breaks the rule max_length: at most 2 characters",
            9,
            (1, "a", "max_length"),
        ),
        (
            "input 'creative_image', row 2: the image is cut short or broken; send the whole file",
            9,
            (2, "creative_image", "image"),
        ),
        ("input 'categorical' holds 9 bytes, at most 5 a request; send fewer rows", 1, (0, "", "request_size")),
        ("input 'categorical' holds 9 bytes, at most 5 a request; send fewer rows", 2, None),
        ("input 'numeric' is missing; send FP32 [rows, 4]: age", 1, None),
    ],
)
def test_a_refusal_says_which_row_is_to_blame_if_one_is(sentence, num_rows, expected):
    found = RefusedRequest(sentence).broken_row(num_rows)
    assert found == (None if expected is None else RefusedRow(*expected, sentence))


def test_an_image_that_the_server_would_refuse_counts_as_none(tmp_path):
    buffer = BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "WEBP")
    (tmp_path / "1.png").write_bytes(buffer.getvalue())
    (tmp_path / "2.png").write_bytes(encoded(size=(40, 30)))
    (tmp_path / "3.png").write_bytes(encoded(size=(30, 30)))
    images = ImageFolder(tmp_path, max_bytes=10_000, max_pixels=1000)
    assert images.get("1") is None and images.get("2") is None and images.get("3") is not None
    assert images.unusable == {
        "1.png": "a WEBP image, the server takes PNG and JPEG",
        "2.png": "40 x 30 pixels, the server takes at most 1000 in all",
    }
    assert Path(tmp_path / "3.png").read_bytes() == images["3"]
