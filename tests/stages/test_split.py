"""Stage split: no instant in two splits, the asked shares, and nothing lost in silence."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.dataset.declaration import Split
from stages.files import read_json
from stages.parquet import write_parquet
from stages.split import OUT_OF_TIME, check_instants, cut, exclude_entities
from tests.contracts.declared import FEATURE, LABEL, declared
from tests.stages.pipeline_world import declaration, run, write_month, write_params


@pytest.fixture
def clean_months(project):
    """Three months in data/clean, of 200, 200 and 100 rows."""
    for month, num_rows in ((1, 200), (2, 200), (3, 100)):
        write_month(project / "source", month, num_rows)
    write_params(declaration(images=None))
    run("acquire", "validate")


def splits() -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(f"data/split/{name}.parquet") for name in ("train", "val", "test")}


def by(**values) -> Split:
    return Split(**values)


def test_cut_by_time_keeps_equal_times_together():
    times = np.array([5, 1, 9, 5, 5, 2, 3, 9, 8, 5])
    codes = cut(times, np.zeros(10, dtype=int), by(by="time", val_frac=0.2, test_frac=0.3))
    # Sorted: 1 2 3 5 5 5 5 8 9 9. The last three are test; of the seven before, the last two begin within the 5s.
    assert codes.tolist() == [1, 0, 2, 1, 1, 0, 0, 2, 2, 1]


def test_with_test_months_no_train_row_is_of_the_time_of_test_and_no_instant_is_in_two():
    months = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    times = np.array([1, 2, 3, 9, 5, 5, 6, 2])  # 9 came late, 5 is where test begins, 2 came with the wrong month
    codes = cut(times, months, by(by="time", val_frac=0.3, test_months=1))
    assert codes.tolist() == [0, 0, 1, OUT_OF_TIME, OUT_OF_TIME, 2, 2, OUT_OF_TIME]


def test_rows_out_of_time_are_counted(clean_months):
    path = Path("data/clean/2024-03/impressions.parquet")
    march = pl.read_parquet(path)
    early = pl.when(pl.int_range(pl.len()) == 0).then(pl.col("t") - pl.duration(days=70)).otherwise("t").alias("t")
    write_parquet(path, march.with_columns(early))
    run("split")
    report = read_json(Path("reports/split.json"))
    assert report["out_of_time"] == 1 and report["test"]["rows"] == 99
    assert report["val"]["to"] < report["test"]["from"]


def test_partitions_whose_order_is_not_that_of_their_times_are_an_error(project):
    for month in (1, 2):
        write_month(project / "source", month, 200)
        (project / f"source/2024-{month:02d}").rename(project / f"source/2024-{3 - month:02d}x")
    files = {"kind": "files", "path": "source", "files": ["*/rows.csv"], "partition": r"(\d{4}-\d{2}x)"}
    write_params(declaration(images=None, source=files))
    run("acquire", "validate")
    with pytest.raises(ValueError, match="takes 2024-02x as the last of 2024-01x, 2024-02x, but .* data.source.order with the"):
        run("split")


JAN_5 = 1_704_412_800_000_000  # microseconds
EMPTY = (
    "rows of one time stay together, so split 'train' is empty: set data.split.by to row (the order of the files) or random in"
)


@pytest.mark.parametrize("shares", [{"test_frac": 0.2}, {"test_months": 1}])
@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([JAN_5] * 100, "all 100 rows have one time, 2024-01-05 00:00:00 UTC"),
        ([JAN_5] * 40 + [JAN_5 + 1] * 60, "the 100 rows have 2 times, 60 of the rows 2024-01-05 00:00:00 UTC"),
        ([JAN_5] * 65 + [*range(JAN_5 + 1, JAN_5 + 36)], "the 100 rows have 36 times, 65 of the rows 2024-01-05 00:00:00 UTC"),
    ],
)
def test_times_that_are_too_few_or_too_alike_to_be_divided_are_one_sentence(shares, times, words):
    time = {"name": "t", "role": "time", "dtype": "datetime"}
    made = declared(time, FEATURE, LABEL, split={"by": "time", "val_frac": 0.3} | shares)
    codes = cut(np.array(times), np.arange(100) // 80, made.split)
    with pytest.raises(ValueError, match=re.escape(f"data.split.by is time, but by column 't' {words}; {EMPTY} conf/data/")):
        check_instants(np.array(times), codes, made)


def test_the_stage_says_that_all_rows_have_one_time_and_not_that_the_months_are_in_a_wrong_order(clean_months):
    for path in Path("data/clean").glob("*/impressions.parquet"):
        times = pl.lit(JAN_5).cast(pl.Datetime("us", "UTC")).alias("t")
        write_parquet(path, pl.read_parquet(path).with_columns(times))
    with pytest.raises(ValueError, match="by column 't' all 500 rows have one time, 2024-01-05 00:00:00 UTC; rows of one time"):
        run("split")


def test_a_test_split_of_one_outcome_is_told(clean_months, capfd):
    path = Path("data/clean/2024-03/impressions.parquet")
    write_parquet(path, pl.read_parquet(path).with_columns(pl.lit(0, dtype=pl.Int8).alias("y")))
    run("split")
    assert "split: test has 0 clicks in 100 rows; one outcome alone tells little" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("shifted_days", "words"),
    [(-19_700, "the times begin on 1970-01-"), (100_000, "the times end on 22"), (0, "")],
)
def test_times_that_a_wrong_format_gives_are_told(clean_months, capfd, shifted_days, words):
    for path in Path("data/clean").glob("*/impressions.parquet"):
        write_parquet(path, pl.read_parquet(path).with_columns(pl.col("t") + pl.duration(days=shifted_days)))
    run("split")
    told = capfd.readouterr().err
    assert words in told and ("is the format of the time's column right" in told) == bool(words)


def test_files_that_are_all_in_one_partition_are_no_months(project):
    write_month(project / "source", 1, 50).rename(project / "source/202401")
    write_params(declaration(images=None, source={"kind": "files", "path": "source", "files": ["*/rows.csv"]}))
    run("acquire", "validate")
    with pytest.raises(ValueError, match="all files are in one, 'all': data.source.partition found no month in their names; set"):
        run("split")


def test_cut_by_row_gives_the_exact_shares_in_order():
    codes = cut(np.arange(100), np.zeros(100, dtype=int), by(by="row", val_frac=0.1, test_frac=0.2))
    assert codes.tolist() == [0] * 70 + [1] * 10 + [2] * 20


def test_the_last_months_are_the_test_split_and_no_instant_is_in_two(clean_months):
    run("split")
    parts = splits()
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 320, "val": 80, "test": 100}
    assert parts["train"]["t"].max() < parts["val"]["t"].min()
    assert parts["val"]["t"].max() < parts["test"]["t"].min()
    assert parts["test"]["t"].dt.month().unique().to_list() == [3]
    report = read_json(Path("reports/split.json"))
    assert report["excluded"] == 0
    for name, rows in parts.items():
        assert report[name] == {
            "rows": len(rows),
            "clicks": int(rows["y"].sum()),
            "from": rows["t"].min().isoformat(),
            "to": rows["t"].max().isoformat(),
        }


def test_every_clean_row_is_in_exactly_one_split(clean_months):
    write_params(declaration(images=None, split={"by": "random", "val_frac": 0.1, "test_frac": 0.2}))
    run("split")
    parts = splits()
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 350, "val": 50, "test": 100}
    clean = pl.concat([pl.read_parquet(p) for p in sorted(Path("data/clean").glob("*/impressions.parquet"))])
    assert sorted(pl.concat(parts.values())["id"].to_list()) == sorted(clean["id"].to_list())
    for rows in parts.values():  # rows keep their order
        assert rows["id"].is_sorted()


def test_a_random_split_follows_the_seed_and_0_is_a_seed(clean_months):
    data = declaration(images=None, split={"by": "random", "val_frac": 0.1, "test_frac": 0.2})
    found = []
    for seed in (0, 0, 1):
        write_params(data, (f"seed={seed}",))
        run("split")
        found.append(splits()["test"]["id"].to_list())
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_entities_of_train_are_excluded_from_val_and_test_and_counted(clean_months):
    write_params(declaration(images=None, split={"by": "row", "val_frac": 0.49, "test_frac": 0.49, "exclude_entities": True}))
    run("split")
    parts = splits()
    known = set(parts["train"]["user"])
    assert len(known) > 5
    assert not known & set(parts["val"]["user"]) and not known & set(parts["test"]["user"])
    excluded = read_json(Path("reports/split.json"))["excluded"]
    assert excluded == 500 - sum(len(rows) for rows in parts.values())
    assert excluded > 0


def test_exclusion_keeps_rows_without_an_entity():
    codes = exclude_entities(np.array([0, 0, 1, 2, 2, 1], dtype=np.int8), pl.Series(["a", None, "a", "b", None, "c"]))
    assert codes.tolist() == [0, 0, 3, 2, 2, 1]


def test_an_empty_split_is_an_error_that_names_it(clean_months):
    write_params(declaration(images=None, split={"by": "random", "val_frac": 0.1, "test_frac": 0.899, "exclude_entities": True}))
    with pytest.raises(
        ValueError,
        match=r"split '\w+' is empty .*change data.split in conf/data/small.yaml",
    ):
        run("split")


def test_a_split_that_exclusion_has_emptied_says_so(clean_months):
    write_params(declaration(images=None, split={"by": "row", "val_frac": 0.01, "test_frac": 0.3, "exclude_entities": True}))
    with pytest.raises(ValueError, match=r"split 'val' is empty .*; exclude_entities leaves \d+ rows out"):
        run("split")


def test_too_few_months_are_an_error(clean_months):
    write_params(declaration(images=None, split={"by": "time", "val_frac": 0.1, "test_months": 3}))
    with pytest.raises(ValueError, match="test_months is 3 but the data has 3; train and val need"):
        run("split")


def test_a_train_split_of_one_outcome_is_an_error_and_leaves_nothing(clean_months):
    for path in sorted(Path("data/clean").glob("*/impressions.parquet")):
        frame = pl.read_parquet(path).with_columns(pl.lit(0, dtype=pl.Int8).alias("y"))
        frame.write_parquet(path)
    with pytest.raises(ValueError, match="split 'train' has 0 clicks in 320 rows; both outcomes are needed"):
        run("split")
    assert not Path("data/split").exists()


def test_partitions_without_a_number_need_an_order_where_the_last_is_the_test_split(project):
    for month, name in ((1, "train"), (2, "test")):
        write_month(project / "source", month, 200)
        (project / f"source/2024-0{month}").rename(project / f"source/{name}")
    source = declaration()["source"] | {"partition": "(train|test)"}
    write_params(declaration(images=None, source=source))
    run("acquire", "validate")
    with pytest.raises(ValueError, match="last of the partitions test, train, but 'test' holds no number .*source.order: "):
        run("split")
    write_params(declaration(images=None, source=source | {"order": ["train", "test"]}))
    run("validate", "split")
    assert splits()["test"]["t"].dt.month().unique().to_list() == [2]
