"""The command line of the client: the same rows, scores and quarantine as `stages.score`, and files that are whole."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from serving import entry
from serving.client import RefusedRequest, ServerFailed
from serving.predict import command as predict
from stages import score
from tests.serving.client_world import ALLOWED, RAW, truth_of, url_of
from tests.serving.doors import over_grpc, packed
from tests.serving.flaky_doors import http_door
from tests.serving.pictures import encoded
from tests.stages.pipeline_world import CONF

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def truth(strict_exported) -> dict[int, float]:
    return truth_of(strict_exported)


@pytest.fixture
def run(monkeypatch, project, strict_server, capfd):
    """Runs the command in a folder of the test's own; gives stdout and stderr."""

    def run(*arguments: object, url: str = strict_server.grpc_url) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments), "--url", url])
        predict.main()
        sys.stdout.flush()
        return capfd.readouterr()

    return run


def assert_scored(scored: pl.DataFrame, rows: pl.DataFrame, truth: dict[int, float]) -> None:
    assert scored.columns == ["file", "row", "p_click", "model_version"]
    assert scored["row"].to_list() == list(range(1, len(rows) + 1))
    assert np.abs(scored["p_click"].to_numpy() - [truth[row] for row in rows["id"]]).max() <= ALLOWED
    assert scored["model_version"].to_list() == [1] * len(rows)


def written(name: str, rows: pl.DataFrame = RAW) -> Path:
    path = Path(name)
    if path.suffix == ".parquet":
        rows.write_parquet(path)
    else:
        text = rows.write_csv(separator="\t" if ".tsv" in path.suffixes else ",").encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def read(path: str) -> pl.DataFrame:
    return pl.read_parquet(path) if path.endswith(".parquet") else pl.read_csv(path)


@pytest.mark.parametrize(
    ("source", "output", "protocol"),
    [
        ("rows.csv", "out.csv", "grpc"),
        ("rows.csv.gz", "new/out.parquet", "http"),
        ("rows.tsv", "out.csv", "http"),
        ("rows.tsv.gz", "out.parquet", "grpc"),
        ("rows.parquet", "out.csv", "grpc"),
    ],
)
def test_every_kind_of_file_is_scored_as_evaluation_does(run, strict_server, truth, source, output, protocol):
    url = url_of(strict_server, protocol)
    out, err = run(written(source), "--output", output, "--protocol", protocol, url=url)
    assert_scored(read(output), RAW, truth)
    assert out == ""
    assert err == f"predict: 300 rows of {source} = 300 scored to {output} + 0 in {output}.quarantine.csv\n"
    assert read(f"{output}.quarantine.csv").is_empty()
    assert sorted(path.name for path in Path(output).parent.glob("*out*")) == [
        Path(output).name, f"{Path(output).name}.quarantine.csv",
    ]  # fmt: skip


def test_chunks_come_out_in_order(run, monkeypatch, truth):
    monkeypatch.setattr("contracts.tables.text.delimited.BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr("contracts.tables.text.delimited.TEXT_ROWS", 50)
    run(written("rows.csv"), "--output", "out.parquet")
    assert_scored(read("out.parquet"), RAW, truth)
    run(written("rows.csv"), "--output", "out.csv")
    assert_scored(read("out.csv"), RAW, truth)


def broken_file() -> Path:
    lines = written("rows.csv").read_bytes().splitlines()
    lines[5] = lines[5].replace(b"device ", b"device \xff")
    lines[8] = b"too,few"
    lines[20] = lines[20].replace(lines[20].split(b",")[7], b"-3", 1)  # age
    Path("rows.csv").write_bytes(b"\n".join(lines) + b"\n")
    return Path("rows.csv")


def test_with_the_declaration_all_is_as_in_bulk_scoring(run, monkeypatch, strict_exported):
    rows, model = broken_file(), strict_exported / "artifacts/export"
    run(rows, "--output", "served.csv", "--declaration", model / "declaration.json")
    monkeypatch.setattr(sys, "argv", ["score", str(rows), "scored.csv", "--model", str(model)])
    score.main()
    served, scored = read("served.csv"), read("scored.csv")
    assert served.columns == scored.columns == ["file", "row", "id", "p_click", "model_version"] and len(served) == 297
    assert served.select("file", "row", "id").equals(scored.select("file", "row", "id"))
    assert np.abs(served["p_click"] - scored["p_click"]).max() <= ALLOWED
    assert read("served.csv.quarantine.csv").equals(read("scored.csv.quarantine.csv").drop("file"))


def test_broken_rows_go_to_quarantine_if_the_model_takes_the_broken_column(run):
    rows = broken_file()
    lines = rows.read_bytes().splitlines()
    lines[30] = b"no number" + lines[30][lines[30].index(b",") :]  # id, which no model takes
    rows.write_bytes(b"\n".join(lines) + b"\n")
    _, err = run(rows, "--output", "out.csv")
    assert err.startswith("predict: 300 rows of rows.csv = 297 scored to out.csv + 3 in out.csv.quarantine.csv")
    found = read("out.csv.quarantine.csv").select("row", "column", "rule", "value").rows()
    assert [(row, column, rule) for row, column, rule, _ in found] == [
        (5, "device", "encoding"), (8, "", "columns"), (20, "age", "min"),
    ]  # fmt: skip
    assert found[0][3].startswith("device \\xff") and found[2][3] == "-3"


def test_without_output_scores_go_to_stdout_and_the_rest_to_stderr(run, truth):
    out, err = run(broken_file())
    scored = pl.read_csv(out.encode())
    assert scored.columns == ["file", "row", "p_click", "model_version"] and len(scored) == 297
    assert scored["p_click"][0] == pytest.approx(truth[RAW["id"][0]], abs=ALLOWED)
    assert "predict: row 20, column 'age': '-3' breaks the rule min\n" in err
    assert err.endswith("predict: 300 rows of rows.csv = 297 scored + 3 rejected\n")


def test_images_of_new_creatives_are_looked_at(run, strict_server, strict_spec, strict_rows):
    rows = strict_rows.with_columns(ad=pl.int_range(pl.len()) % 3 + 70)
    Path("images/new").mkdir(parents=True)
    images = {70: encoded(color=(10, 200, 30)), 72: encoded("JPEG", (250, 250, 0))}
    Path("images/70.png").write_bytes(images[70])
    Path("images/new/72.jpg").write_bytes(images[72])
    Path("images/71.png").write_bytes(b"no image")
    _, err = run(written("rows.parquet", rows), "--output", "out.parquet", "--images", "images")
    truth = over_grpc(strict_server, packed(rows, strict_spec, [images.get(ad, b"") for ad in rows["ad"]])).probability
    assert read("out.parquet")["p_click"].to_list() == pytest.approx(truth.tolist(), abs=ALLOWED)
    assert "predict: image 71.png cannot be used: no image of a kind that is read" in err


def test_what_fails_leaves_nothing_behind(run, strict_server):
    Path("out.csv").write_text("before")
    for failure, error in (((500, "it broke"), ServerFailed), ((400, "no"), RefusedRequest)):
        with http_door(strict_server, failures=[failure]) as door, pytest.raises(error, match=failure[1]):
            run(written("rows.csv"), "--output", "out.csv", "--protocol", "http", url=door.url)
    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "rows.csv"]
    assert Path("out.csv").read_text() == "before"


def test_paths_that_make_no_sense_are_refused(run, strict_exported):
    rows = written("rows.csv")
    for arguments, sentence in (
        (("none.csv",), "none.csv does not exist"),
        ((".",), "is a folder; name a file in it"),
        ((rows, "--output", "out.txt"), "the output must be a file that ends in .csv or .parquet, got out.txt"),
        ((rows, "--output", "rows.csv"), "rows.csv is read and would be written too; choose another --output"),
        ((rows, "--images", "."), "holds no .png, .jpg or .jpeg file"),
        ((rows, "--declaration", rows), "rows.csv is no JSON file"),
    ):
        with pytest.raises(ValueError, match=sentence):
            run(*arguments)


def test_a_declaration_of_another_data_set_is_refused(run, strict_exported):
    declared = json.loads((strict_exported / "artifacts/export/declaration.json").read_text())
    declared["columns"][2]["max_length"] = 13
    Path("other.json").write_text(json.dumps(declared))
    with pytest.raises(ValueError, match="the declaration of 'strict' .* is not the one of the served model"):
        run(written("rows.csv"), "--declaration", "other.json")


def test_missing_columns_are_named_with_the_file(run):
    with pytest.raises(ValueError, match="rows.csv: the rows lack columns 'device', 'age', which the model takes"):
        run(written("rows.csv", RAW.drop("age", "device")))


def test_errors_are_one_sentence_and_an_exit_code(monkeypatch, project, capfd):
    monkeypatch.setattr("serving.client.retries.LONGEST_WAIT_S", 0.05)
    written("rows.csv")
    for url, sentence in (("127.0.0.1:1", "127.0.0.1:1 is not available: Connection refused"), ("x", "url must be host:port")):
        monkeypatch.setattr(sys, "argv", ["predict", "rows.csv", "--url", url])
        with pytest.raises(SystemExit, match="1"):
            entry.run("predict", predict.piped, ServerFailed)
        out, err = capfd.readouterr()
        assert out == "" and err.startswith(f"predict: error: {sentence}") and err.count("\n") == 1


def test_whoever_reads_stdout_may_stop_reading(strict_server, tmp_path):
    RAW.write_csv(tmp_path / "rows.csv")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "serving.predict", str(tmp_path / "rows.csv"), "--url", strict_server.grpc_url]
    done = subprocess.run(command, cwd=CONF.parent, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
