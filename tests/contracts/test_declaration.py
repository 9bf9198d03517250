"""The declaration: what it refuses, in one sentence that names the column or the key."""

import pytest

from contracts.dataset.config_errors import ConfigError
from contracts.dataset.declaration import Declaration
from stages.settings import check_section
from tests.contracts.declared import FEATURE, LABEL, declared

TIME = {"name": "t", "role": "time", "dtype": "datetime"}


def column(**changes):
    return {"name": "x", "role": "numeric", "dtype": "int"} | changes


COLUMNS = {  # a column that does not make sense -> words of the sentence
    "numeric string": (column(dtype="string"), "column 'x': role numeric needs dtype int or float, got string"),
    "categorical float": (column(role="categorical", dtype="float"), "use role numeric for floats"),
    "creative float": (column(role="creative", dtype="float"), "role creative needs dtype string or int"),
    "time int": (column(role="time"), "role time needs dtype datetime, got int"),
    "min above max": (column(min=3, max=2), "min 3.0 is above max 2.0"),
    "min of a string": (column(role="info", dtype="string", min=3), "min and max need dtype int or float"),
    "pattern of an int": (column(pattern="a"), "pattern and max_length need dtype string"),
    "bad pattern": (column(role="info", dtype="string", pattern="("), "no regular expression that Polars knows: unclosed group"),
    "look-ahead": (column(role="info", dtype="string", pattern="(?=a)"), "no regular expression that Polars knows"),
    "values of another kind": (column(values=["a"]), "values must be of dtype int"),
    "values of a string without quotes": (column(role="info", dtype="string", values=[1.10]), "strings in quotes"),
    "values of a bool": (column(role="info", dtype="bool", values=["a"]), "bool and datetime have none"),
    "pattern of a label": (column(role="label", dtype="string", pattern="[01]"), "a label has no pattern and no max_length: its"),
    "bounds of a mapped label": (column(role="label", labels={"1": 0, "2": 1}, max=2), "a label with labels has no min and no"),
    "labels of a feature": (column(labels={"a": 1, "b": 0}), "only a label has labels"),
    "labels of one kind": (column(role="label", labels={"a": 1}), "labels must name both 0 and 1"),
    "threshold of a feature": (column(at_least=4), "only a label has at_least"),
    "threshold of words": (column(role="label", dtype="string", at_least=4), "at_least needs dtype int or float, got string"),
    "threshold and words": (column(role="label", at_least=4, labels={"1": 0, "2": 1}), "a label with at_least has no labels, no"),
    "threshold and bounds": (column(role="label", at_least=4, min=1), "list numbers that are no answer in missing"),
    "threshold that is none": (column(role="label", dtype="float", at_least=float("nan")), "a bound must be a finite number"),
    "nullable label": (column(role="label", nullable=True), "a label cannot be nullable"),
    "format of an int": (column(format="%Y"), "format and time_zone need dtype datetime"),
    "unknown format": ({**TIME, "format": "epoch"}, "format must be a strptime format"),
    "name of a zone": ({**TIME, "format": "%Y-%m-%d %Z"}, "format does not know %Z, a zone's name"),
    "half a day's hours": ({**TIME, "format": "%d.%m.%Y %I:%M"}, "cannot be read: Please either specify both 12-hour"),
    "minutes alone": ({**TIME, "format": "%Y-%m-%d %M"}, "format '%Y-%m-%d %M' cannot be read"),
    "directive that is none": ({**TIME, "format": "%d.%m.%Y %Q"}, "format '%d.%m.%Y %Q' cannot be read"),
    "no date": ({**TIME, "format": "%H:%M"}, "format must give a date with its year, got '%H:%M'"),
    "no year": ({**TIME, "format": "%d.%m. %H:%M"}, "format must give a date with its year"),
    "unknown zone": ({**TIME, "time_zone": "Mars/Base"}, "time_zone must be a name such as Europe/Berlin"),
    "part alone": (column(part="hour"), "derive_from and part are given together"),
    "derived from nothing": (column(derive_from="q", part="hour"), "derive_from 'q' is no declared datetime column"),
    "log of a category": (column(role="categorical", log=True), "log needs role numeric"),
    "name of a tensor": (
        column(name="cat_idx"),
        "a tensor of the model is called so; call it otherwise here, and say so in source.rename: {'cat",
    ),
    "name of an output": (column(name="probability"), "a tensor of the model is called so; call it otherwise"),
    "not a feature": (column(feature=False), "feature: false is for roles creative and entity, got numeric"),
    "kept though no feature": (column(role="info", keep=True), "keep: true is for columns that the model sees"),
    "kept though hidden": (column(role="entity", feature=False, keep=True), "keep: true is for columns that the model sees"),
    "empty range": (column(name="x{3..1}"), "the range {3..1} of 'x{3..1}' is empty"),
    "name of a pattern": (column(name="^a.*$"), "a column cannot have this name"),
    "declared twice": (column(name="c"), "column 'c' is declared twice"),
    "misspelt role": (column(role="feature"), "'categorical', 'numeric', 'creative'"),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_that_makes_no_sense_is_refused(kind):
    wrong, words = COLUMNS[kind]
    with pytest.raises(ValueError) as error:
        declared(FEATURE, wrong, LABEL)
    assert words in str(error.value)


def test_ranges_keep_their_zeros_and_multiply():
    names = [c.name for c in declared(column(name="x{08..10}"), column(name="v{1..2}_{1..2}"), FEATURE, LABEL).columns]
    assert names[:-2] == ["x08", "x09", "x10", "v1_1", "v1_2", "v2_1", "v2_2"]


WHOLE = {
    "sliced by the label": ([FEATURE, LABEL], {"slices": ["y"]}, "slices names 'y', by which rows cannot be sliced; allowed: c"),
    "cold start without creatives": ([FEATURE, LABEL], {"slices": ["cold_start"]}, "which needs a column with role creative"),
    "no label": ([FEATURE], {}, "no column has role label"),
    "two labels": ([FEATURE, LABEL, {**LABEL, "name": "z"}], {}, "role label is given to"),
    "no feature": ([LABEL], {}, "no column is a feature"),
    "by time without time": ([FEATURE, LABEL], {"split": {"by": "time", "val_frac": 0.1, "test_frac": 0.1}}, "needs"),
    "by missing time": (
        [FEATURE, LABEL, {**TIME, "nullable": True}],
        {"split": {"by": "time", "val_frac": 0.1, "test_frac": 0.1}},
        "needs every row's time",
    ),
    "images without creative": ([FEATURE, LABEL], {"images": {"files": "*.png"}}, "images needs a column with role"),
    "join by nothing": ([FEATURE, LABEL], {"source": {"joins": [{"files": "i.csv", "key": "id"}]}}, "key 'id' is not"),
    "slices of nothing": ([FEATURE, LABEL], {"slices": ["q"]}, "slices names 'q'"),
    "all rows": ([FEATURE, LABEL], {"split": {"by": "row", "val_frac": 0.5, "test_frac": 0.5}}, "must be below 1"),
    "two test sizes": (
        [FEATURE, LABEL],
        {"split": {"by": "row", "val_frac": 0.5, "test_frac": 0.1, "test_months": 1}},
        "exactly one of test_frac and test_months",
    ),
    "random months": (
        [FEATURE, LABEL], {"split": {"by": "random", "val_frac": 0.5, "test_months": 1}}, "by time or row",
    ),
    "files without path": ([FEATURE, LABEL], {"source": {"path": ""}}, "source.path is required"),
    "names and header": ([FEATURE, LABEL], {"source": {"format": {"names": ["c", "y"]}}}, "set format.header: false"),
    "unknown encoding": ([FEATURE, LABEL], {"source": {"format": {"encoding": "utf8x"}}}, "encoding 'utf8x' is not"),
    "one mark for two": ([FEATURE, LABEL], {"source": {"format": {"thousands": "."}}}, "must differ"),
    "renamed to nothing": ([FEATURE, LABEL], {"source": {"rename": {"a": "q"}}}, "calls 'a' 'q', and no column that"),
    "renamed to one": ([FEATURE, LABEL], {"source": {"rename": {"a": "c", "b": "c"}}}, "source.rename calls two columns 'c'"),
    "renamed and declared": (
        [FEATURE, LABEL], {"source": {"rename": {"y": "c"}}}, "calls 'y' 'c', and 'y' is declared too; take one of the two away",
    ),
    "renamed and left out": (
        [FEATURE, LABEL], {"source": {"rename": {"z": "c"}}, "leave_out": [{"name": "z", "why": "?"}]}, "'z' is declared too",
    ),
    "renamed without header": (
        [FEATURE, LABEL], {"source": {"rename": {"a": "c"}, "format": {"header": False}}}, "files without one are named by",
    ),
    "header without header": (
        [FEATURE, LABEL], {"source": {"format": {"header": False, "skip_lines": "to_header"}}}, "write a number of lines",
    ),
    "lines of a word": ([FEATURE, LABEL], {"source": {"format": {"skip_lines": "auto"}}}, "0 or more, or to_header, got 'auto'"),
    "lines of a boolean": ([FEATURE, LABEL], {"source": {"format": {"skip_lines": True}}}, "0 or more, or to_header, got True"),
    "fewer lines than none": ([FEATURE, LABEL], {"source": {"format": {"skip_lines": -1}}}, "0 or more, or to_header, got -1"),
    "partition": ([FEATURE, LABEL], {"source": {"partition": "("}}, "partition '(' is no regular expression"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_a_declaration_that_makes_no_sense_is_refused(kind):
    columns, more, words = WHOLE[kind]
    with pytest.raises(ValueError) as error:
        declared(*columns, **more)
    assert words in str(error.value)


def test_ranges_and_lists_of_names_are_written_out():
    made = declared(
        {"name": "I{9..11}", "role": "numeric", "dtype": "int"},
        {"names": ["a", "b{1..2}"], "role": "info", "dtype": "string", "nullable": True},
        LABEL,
        leave_out=[{"names": ["p", "q"], "why": "leaks"}, {"name": "r{0..1}", "why": "too late"}],
    )
    assert [c.name for c in made.columns] == ["I9", "I10", "I11", "a", "b1", "b2", "y"]
    assert made.column("b2").nullable
    assert [(c.name, c.why) for c in made.leave_out] == [
        ("p", "leaks"), ("q", "leaks"), ("r0", "too late"), ("r1", "too late"),
    ]  # fmt: skip


def test_an_error_names_the_column_and_not_its_position():
    values = {
        "name": "small",
        "source": {"kind": "files", "path": ".", "files": ["*.csv"]},
        "split": {"by": "row", "val_frac": 0.1, "test_frac": 0.1},
        "columns": [{"name": "I{1..3}", "role": "numeric", "dtype": "int"}, {**FEATURE, "nulable": True}, LABEL],
    }
    with pytest.raises(ConfigError, match=r"^data.columns.c.nulable is not a known key; did you mean 'nullable'\?"):
        check_section("data", values, Declaration)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            column(name=True),
            r"^data.columns.True.name: got True; input should be a valid string .YAML reads it as such; write",
        ),
        (column(missing=[None]), r"^data.columns.x.missing.0: got None; .* .YAML reads it as such; write it in quotes"),
    ],
)
def test_a_word_that_yaml_takes_for_something_else_is_to_be_quoted(wrong, sentence):
    values = {
        "name": "small",
        "source": {"kind": "files", "path": ".", "files": ["*.csv"]},
        "split": {"by": "row", "val_frac": 0.1, "test_frac": 0.1},
        "columns": [wrong, FEATURE, LABEL],
    }
    with pytest.raises(ConfigError, match=sentence):
        check_section("data", values, Declaration)


def test_an_id_of_a_creative_or_user_is_a_feature_unless_declared_otherwise():
    creative = {"name": "ad", "role": "creative", "dtype": "string"}
    assert [c.name for c in declared(creative, FEATURE, LABEL).features] == ["ad", "c"]
    assert [c.name for c in declared({**creative, "feature": False}, FEATURE, LABEL).features] == ["c"]


def test_the_digest_follows_the_columns_and_nothing_else():
    base = declared(FEATURE, LABEL)
    assert base.digest == declared(FEATURE, LABEL, description="other words").digest
    assert base.digest == declared({**FEATURE, "description": "what it is", "keep": True}, LABEL).digest
    assert base.digest != declared({**FEATURE, "max_length": 3}, LABEL).digest
    assert base.digest != declared(LABEL, FEATURE).digest
    assert base.digest != declared(FEATURE, {**LABEL, "at_least": 4}).digest


def test_the_digest_is_the_one_of_models_that_were_made_before_columns_had_more_keys():
    assert declared(FEATURE, LABEL).digest == "d7fd66c7057a3e7e8face362ff17b36e4f00f20bfc8dfd24d69cc20c288f923c"
