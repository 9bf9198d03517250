"""The client on real Triton: every kind of table, both protocols, threads and asyncio; what it checks, cuts and refuses."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from serving.client import BrokenRows, CtrClient, RefusedRequest, ServerFailed, StaleModel
from tests.serving.client_world import ALLOWED, PROTOCOLS, RAW, assert_answers, predict_async, truth_of, url_of
from tests.serving.doors import over_grpc, packed
from tests.serving.flaky_doors import FLAKY, http_door
from tests.serving.pictures import encoded, noise

pytestmark = pytest.mark.triton
TABLES = {"polars": lambda rows: rows, "pandas": pl.DataFrame.to_pandas, "arrow": pl.DataFrame.to_arrow}


@pytest.fixture(scope="module")
def truth(strict_exported) -> dict[int, float]:
    return truth_of(strict_exported)


@pytest.fixture(params=PROTOCOLS)
def protocol(request) -> str:
    return request.param


@pytest.fixture
def client(strict_server, protocol):
    with CtrClient(url_of(strict_server, protocol), protocol) as found:
        yield found


@pytest.mark.parametrize("table", TABLES)
def test_every_table_gets_the_probabilities_of_evaluation(client, truth, table):
    assert_answers(client.predict(TABLES[table](RAW)), RAW, truth)


def test_asyncio_gets_the_same(strict_server, protocol, truth):
    assert_answers(predict_async(url_of(strict_server, protocol), protocol, RAW), RAW, truth)


def test_rows_that_are_clean_already_need_no_check(client, strict_exported, truth):
    rows = pl.read_parquet(strict_exported / "data/split/test.parquet")
    assert_answers(client.predict(rows, check=False), rows, truth)


def test_what_has_to_be_read_first_is_read_without_check_too(client, truth):
    assert_answers(client.predict(RAW, check=False), RAW, truth)


def test_pandas_categories_nan_and_objects_are_values_and_missing_values(client, truth):
    table = RAW.to_pandas()
    table["site"] = table["site"].astype("category")
    table["device"] = table["device"].astype(object)
    table["view"] = table["view"].astype(float).replace(-1, np.nan)
    table["age"] = table["age"].replace(999, np.nan)
    table.index = range(1000, 1300)
    assert_answers(client.predict(table), RAW, truth)


def test_a_large_frame_is_cut_and_keeps_its_order(strict_server, protocol, truth):
    rows = pl.concat([RAW] * 4).sample(fraction=1, shuffle=True, seed=5)
    with FLAKY[protocol](strict_server, delay_s=0.01) as door, CtrClient(door.url, protocol, in_flight=3) as client:
        assert_answers(client.predict(rows), rows, truth)
        assert door.calls == {"config": 1, "infer": -(-len(rows) // 64)}
        assert 1 < door.most_at_once <= 3


def test_asyncio_cuts_as_well_and_keeps_few_requests_in_flight(strict_server, protocol, truth):
    rows = pl.concat([RAW] * 4).sample(fraction=1, shuffle=True, seed=6)
    with FLAKY[protocol](strict_server, delay_s=0.01) as door:
        assert_answers(predict_async(door.url, protocol, rows), rows, truth)
        assert door.calls == {"config": 1, "infer": -(-len(rows) // 64)}
        assert 1 < door.most_at_once <= 4


def test_threads_share_a_client(client, truth):
    parts = [RAW.sample(100, seed=i) for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        for part, answer in zip(parts, pool.map(client.predict, parts), strict=True):
            assert_answers(answer, part, truth)


def test_no_rows_get_no_answers_and_make_no_call():
    for table in TABLES.values():
        with CtrClient("127.0.0.1:1") as client:
            answer = client.predict(table(RAW[:0]))
        assert (len(answer), answer.probability.dtype, answer.model_version.dtype) == (0, np.float32, np.int64)
    assert len(predict_async("127.0.0.1:1", "grpc", RAW[:0])) == 0


# images


def strangers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(ad=pl.int_range(pl.len()) % 3 + 70)


@pytest.mark.parametrize("given", ["mapping", "frame"])
def test_images_go_to_the_rows_of_their_creative(strict_server, strict_spec, client, strict_rows, given):
    rows = strangers(strict_rows)
    images = {70: encoded(color=(10, 200, 30)), 72: encoded("JPEG", (250, 250, 0)), 99: encoded()}
    frame = pl.DataFrame({"creative_id": list(images), "image": list(images.values())})
    truth = over_grpc(strict_server, packed(rows, strict_spec, [images.get(ad, b"") for ad in rows["ad"]]))
    answer = client.predict(rows, images if given == "mapping" else frame)
    assert answer.probability.tolist() == pytest.approx(truth.probability.tolist(), abs=ALLOWED)
    assert np.abs(answer.probability - client.predict(rows).probability).max() > 0.01


def test_images_make_smaller_requests(strict_server, strict_spec, protocol, strict_rows):
    rows = strangers(strict_rows)[:20]
    images = {ad: noise(40, ad) for ad in (70, 71, 72)}
    size = len(images[70])
    assert 4 * size < 20_000 < 5 * size < 20 * size  # four images fit the server's max_request_bytes
    with FLAKY[protocol](strict_server) as door, CtrClient(door.url, protocol) as client:
        answer = client.predict(rows, images)
        assert door.calls["infer"] == 5
    one_by_one = [
        over_grpc(strict_server, packed(rows[i : i + 1], strict_spec, [images[ad]])).probability[0]
        for i, ad in enumerate(rows["ad"])
    ]
    assert answer.probability.tolist() == pytest.approx(one_by_one, abs=ALLOWED)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (noise(60), "the image of creative '71' has .* bytes, the server takes at most 8000"),
        ("ad71.png", "the image of creative '71' is of type str, expected the bytes of its file"),
        (b"GIF89a", "input 'creative_image', row 1: no PNG or JPEG file; send the file's bytes as they are"),
    ],
)
def test_an_image_that_cannot_be_is_refused(client, strict_rows, image, sentence):
    with pytest.raises(ValueError, match=sentence):
        client.predict(strangers(strict_rows), {71: image})


def test_a_model_without_images_takes_none(client, strict_rows):
    client._served = replace(client.served(), request=replace(client.served().request, creative=None))
    with pytest.raises(ValueError, match="the served model looks at no images; leave them out"):
        client.predict(strict_rows, {1: encoded()})


# what is refused before it is sent


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("site", "thirteen char", "'thirteen char' breaks the rule max_length: at most 12 characters"),
        ("device", None, "'' breaks the rule not_null: a value is required"),
        ("view", "many", "'many' breaks the rule dtype: a whole number"),
        ("view", "21", "'21' breaks the rule max: at most 20"),
        ("mobile", "maybe", "'maybe' breaks the rule dtype: true or false"),
        ("age", -0.5, "-0.5 breaks the rule min: at least 0"),
        ("visits", 2.5, "2.5 breaks the rule dtype: a whole number"),
        ("spent", float("inf"), "inf breaks the rule finite: a finite number"),
    ],
)
def test_a_broken_row_is_named_and_nothing_is_sent(strict_server, column, value, sentence):
    words = isinstance(value, str)
    values = [value if row in (150, 200) else str(found) if words else found for row, found in enumerate(RAW[column])]
    changed = RAW.with_columns(pl.Series(column, values, strict=False))
    with http_door(strict_server) as door, CtrClient(door.url, "http") as client:
        with pytest.raises(
            BrokenRows, match=re.escape(f"column '{column}', row 150: {sentence} (and 1 more of 300 rows")
        ) as found:
            client.predict(changed)
        assert door.calls == {"config": 1}
    assert found.value.rejected["row"].to_list() == [150, 200]
    assert found.value.rejected["column"].to_list() == [column] * 2


def test_missing_columns_are_named(client):
    with pytest.raises(ValueError, match="the rows lack columns 'site', 'spent', which the model takes"):
        client.predict(RAW.drop("site", "spent"))


def test_what_is_no_table_or_holds_no_values_is_refused(client):
    with pytest.raises(TypeError, match="rows must be a Polars or pandas DataFrame or an Arrow table, got list"):
        client.predict(RAW.to_dicts())
    mixed = RAW.to_pandas().assign(device=[{"phone": 1}, 7, "phone"] * 100)
    with pytest.raises(ValueError, match="column 'device' holds"):
        client.predict(mixed)
    with pytest.raises(ValueError, match="column 'age' holds List"):
        client.predict(RAW.with_columns(age=pl.concat_list("age")))
    twice = pd.concat([RAW.to_pandas(), RAW.to_pandas()[["age"]]], axis=1)
    with pytest.raises(ValueError, match="the rows have column 'age' twice"):
        client.predict(twice)
    with pytest.raises(ValueError, match="the rows have column 'age' twice"):
        client.predict(pa.table([RAW.to_arrow()["age"], *RAW.to_arrow().columns], names=["age", *RAW.columns]))


# what the server refuses


def test_a_refusal_names_the_row_of_the_frame(strict_server, protocol, strict_rows):
    rows = pl.concat([strict_rows] * 4).with_columns(view=pl.Series([1] * 200).scatter(170, 21))
    with FLAKY[protocol](strict_server) as door, CtrClient(door.url, protocol) as client:
        with pytest.raises(RefusedRequest, match=re.escape("column 'view', row 170: '21' breaks the rule max: at most 20")):
            client.predict(rows, check=False)
        assert door.calls["infer"] <= 4  # nothing was asked twice; what was not yet asked when it came may be left out
        with pytest.raises(RefusedRequest, match="row 170"):
            predict_async(door.url, protocol, rows, check=False)


def test_a_replaced_model_is_asked_again_for_its_columns(client, truth):
    old = client.served()
    turned = replace(old.request, categorical=old.request.categorical[::-1], digest="0" * 64)
    client._served = replace(old, request=turned)
    assert_answers(client.predict(RAW), RAW, truth)
    assert client.served() == old


def test_limits_that_a_model_has_lowered_are_read_again(client, strict_rows, truth):
    old = client.served()
    client._served = replace(old, max_rows=1000)
    assert_answers(client.predict(RAW), RAW, truth)
    assert client.served() == old
    client._served = replace(old, max_request_bytes=1 << 20)
    assert len(client.predict(strangers(strict_rows), {ad: noise(40, ad) for ad in (70, 71, 72)})) == len(strict_rows)
    assert client.served() == old


def test_a_declaration_that_stays_strange_is_reported_after_one_more_try(strict_server):
    digest = re.compile(rb'("declaration":\{"string_value":")[0-9a-f]+')
    with http_door(strict_server, change_config=lambda config: digest.sub(rb"\g<1>beef", config)) as door:
        with CtrClient(door.url, "http") as client, pytest.raises(StaleModel, match=r"another declaration \(beef\)"):
            client.predict(RAW[:3])
        assert door.calls == {"config": 2, "infer": 2}
        with pytest.raises(StaleModel):
            predict_async(door.url, "http", RAW[:3])
        assert door.calls == {"config": 4, "infer": 4}


def test_another_model_is_no_model_of_ours(strict_server, protocol):
    for model, sentence in (("creative_encoder", "'creative_encoder' does not publish 'columns'"), ("nobody", "nobody")):
        with (
            CtrClient(url_of(strict_server, protocol), protocol, model=model) as client,
            pytest.raises(ServerFailed, match=sentence),
        ):
            client.predict(RAW)
